// Draws the charts of a page from the JSON beside each. Foreign text reaches the
// page through textContent and canvas alone.
(function () {
  'use strict';
  const style = () => {
    const s = getComputedStyle(document.documentElement);
    const v = name => s.getPropertyValue('--' + name).trim();
    return { font: s.fontFamily, ink: v('ink'), soft: v('soft'), line: v('line'), ground: v('ground'), panel: v('panel'),
      colors: [0, 1, 2, 3, 4, 5, 6, 7].map(i => v('c' + i)) };
  };
  const three = x => {
    if (x === 0) return '0';
    const a = Math.abs(x);
    if (a >= 1000) return Math.round(x).toLocaleString('en-US');
    return a < 1e-4 ? x.toExponential(1) : String(Number(x.toPrecision(3)));
  };
  const duration = ns => {
    if (ns === 0) return '0';
    for (const [unit, name] of [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs']]) {
      if (Math.abs(ns) >= unit * 0.9995) return three(ns / unit) + name;
    }
    return three(ns) + 'ns';
  };
  const quantity = (x, unit) => unit === 'ns' ? duration(x) : unit === 'x' ? three(x) + 'x' : three(x) + (unit ? ' ' + unit : '');
  const percent = share => Number((share * 100).toFixed(3)) + '%';
  const range = (s, unit) => s.low || s.high ? ' (' + quantity(s.low, unit) + ' – ' + quantity(s.high, unit) + ')' : '';

  // tip builds the text of a tooltip: a heading and lines.
  const tip = lines => {
    const box = document.createElement('div');
    box.className = 'tip';
    lines.forEach((text, i) => {
      const line = document.createElement('div');
      line.appendChild(document.createElement(i ? 'span' : 'b')).textContent = text;
      box.appendChild(line);
    });
    return box;
  };

  // round are a step of 1, 2, 2.5 or 5 of a power of ten, and its multiples between
  // two values.
  const round = (low, high, room) => {
    const raw = (high - low || Math.abs(high) || 1) / Math.max(2, room);
    const power = Math.pow(10, Math.floor(Math.log10(raw)));
    const step = power * [1, 2, 2.5, 5, 10].find(s => s * power >= raw * 0.999);
    const marks = [];
    for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) marks.push(at);
    return { step: step, marks: marks };
  };
  // apart writes values of a unit with as many digits as tell one from the next, a
  // step away.
  const apart = (unit, step, most) => {
    const [size, name] = unit !== 'ns' ? [1, unit === 'x' ? 'x' : ''] : [[1e9, 's'], [1e6, 'ms'], [1e3, 'µs'], [1, 'ns']].find(u => Math.abs(most) >= u[0] * 0.9995) || [1, 'ns'];
    let digits = 0;
    while (digits < 12 && Math.abs(step / size * 10 ** digits - Math.round(step / size * 10 ** digits)) > 1e-6) digits++;
    return x => x === 0 ? '0' : (x / size).toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits }) + name;
  };

  // ticks are 1, 2, 5 of each power of ten between two values, fewer if there are
  // many powers.
  const ticks = (low, high, room) => {
    const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high));
    for (const steps of [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
      const all = [];
      for (let e = from; e <= to; e++) {
        for (const s of steps) {
          const at = s * Math.pow(10, e);
          if (at >= low * 0.999 && at <= high * 1.001) all.push(at);
        }
      }
      if (all.length < 2) return round(low, high, room).marks;
      if (all.length <= room || steps.length === 1) return all.length > room ? all.filter((_, i) => i % Math.ceil(all.length / room) === 0) : all;
    }
  };

  // An axis is drawn in the logarithm of its values, for the library's own has no
  // marks between powers of ten.
  const logAxis = (css, low, high, room, write, unit, first) => {
    const marks = ticks(first || low, high, room), all = marks.map(Math.log10);
    if (marks.length > 1 && marks[marks.length - 1] < 2 * marks[0]) write = apart(unit, marks[1] - marks[0], marks[marks.length - 1]);
    return Object.assign(axis(css), { type: 'value', min: Math.log10(low), max: Math.log10(high),
      axisLabel: { color: css.soft, customValues: all, formatter: v => write(Math.pow(10, v)), hideOverlap: true },
      axisTick: { customValues: all, lineStyle: { color: css.line } },
      splitLine: { show: true, lineStyle: { color: css.line } } });
  };
  // linearAxis ends at round values on both sides.
  const linearAxis = (css, low, high, room, unit) => {
    const step = round(low, high, room).step, write = apart(unit, step, Math.max(Math.abs(low), Math.abs(high)));
    return Object.assign(axis(css), { type: 'value', min: Math.floor(low / step + 1e-9) * step, max: Math.ceil(high / step - 1e-9) * step, interval: step,
      axisLabel: { color: css.soft, formatter: write, hideOverlap: true } });
  };
  const axis = css => ({ nameTextStyle: { color: css.soft }, axisLabel: { color: css.soft },
    axisLine: { lineStyle: { color: css.line } }, splitLine: { lineStyle: { color: css.line } } });
  const base = (css, tooltip) => ({ animation: false, color: css.colors, textStyle: { fontFamily: css.font },
    tooltip: Object.assign({ confine: true, backgroundColor: css.ground, borderColor: css.line,
      textStyle: { color: css.ink, fontSize: 13 }, extraCssText: 'max-width:320px;white-space:normal' }, tooltip),
    legend: { type: 'scroll', bottom: 0, left: 'center', textStyle: { color: css.ink }, inactiveColor: css.line,
      pageTextStyle: { color: css.soft }, pageIconColor: css.soft, pageIconInactiveColor: css.line } });
  // labels are those of rows, broken where the page is narrow.
  const labelWidth = width => Math.max(80, Math.min(260, width * 0.32));
  const rowAxis = (css, rows, width) => Object.assign(axis(css), { type: 'category', data: rows, inverse: true,
    axisTick: { show: false }, splitLine: { show: false },
    axisLabel: { color: css.ink, interval: 0, fontSize: 12, width: labelWidth(width), overflow: 'break', lineHeight: 14 } });
  // tall is the height of all rows: each has room for the longest label, in lines.
  const pen = document.createElement('canvas').getContext('2d');
  const tall = (css, rows, width, height) => {
    pen.font = '12px ' + css.font;
    const lines = Math.max(1, ...rows.map(r => {
      // Words that stay whole leave room at the end of a line: a fifth, about.
      const wide = pen.measureText(r).width, most = labelWidth(width);
      return wide <= most ? 1 : Math.ceil(1.2 * wide / most);
    }));
    return rows.length * Math.max(height, lines * 14 + 10);
  };
  const grid = more => Object.assign({ left: 8, right: 24, top: 12, bottom: 42, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' }, more);
  // whiskers are the ranges of spots.
  const whiskers = (spots, at, color) => ({ silent: true, animation: false, symbol: 'none', label: { show: false },
    lineStyle: { color: color, width: 2, type: 'solid' },
    data: spots.filter(s => s.low || s.high).map(s => [{ coord: [at(s.low), s.row] }, { coord: [at(s.high), s.row] }]) });
  const same = x => x;
  const extent = (values, pad) => {
    const all = values.filter(v => v > 0);
    if (!all.length) return [1, 10];
    return [Math.min(...all) / pad, Math.max(...all) * pad];
  };

  const draw = {
    cdf(css, data, view, width, tail) {
      // In the tail each line of the grid leaves a tenth of the one below.
      const most = Math.max(2, ...view.series.flatMap(s => s.points.map(p => p[1] < 1 ? -Math.log10(1 - p[1]) : 0))) + 0.2;
      const up = share => !tail ? share : share < 1 ? -Math.log10(1 - share) : most;
      const [low, high] = extent(view.series.flatMap(s => s.points.map(p => p[0])), 1.05);
      const o = base(css, { trigger: 'item', formatter: p => tip([p.seriesName, percent(p.data.share) + ' took at most ' + duration(Math.pow(10, p.value[0]))]) });
      o.height = 380;
      o.grid = grid({ left: 8, top: 16 });
      o.xAxis = logAxis(css, low, high, width / 75, duration, 'ns');
      o.yAxis = Object.assign(axis(css), { type: 'value', min: 0, max: tail ? most : 1, interval: tail ? 1 : 0.25,
        axisLabel: { color: css.soft, showMaxLabel: !tail, formatter: v => percent(tail ? 1 - Math.pow(10, -v) : v) } });
      o.series = view.series.map(s => ({ type: 'line', name: s.name, color: css.colors[s.color % 8], symbol: 'circle', symbolSize: 5, showSymbol: true,
        lineStyle: { width: 2, type: ['solid', 'dashed', 'dotted'][Math.floor(s.color / 8) % 3] }, emphasis: { focus: 'series' },
        data: s.points.map(p => ({ value: [Math.log10(p[0]), up(p[1])], share: p[1] })) }));
      if (!tail) o.series[0].markLine = { silent: true, symbol: 'none', lineStyle: { color: css.soft, type: 'dotted', width: 1 },
        label: { color: css.soft, position: 'insideStartTop', formatter: m => m.name }, data: [{ yAxis: 0.99, name: 'p99' }, { yAxis: 0.5, name: 'p50' }] };
      return o;
    },
    parts(css, data, view, width) {
      const o = base(css, { trigger: 'item', formatter: p => p.seriesType === 'bar'
        ? tip([data.rows[p.dataIndex], p.seriesName + ' ' + duration(p.value) + ' on average'])
        : tip([data.rows[p.data.spot.row], p.data.spot.name + ' of the ' + data.whole + ' ' + duration(p.data.spot.value) + range(p.data.spot, 'ns')]) });
      o.height = 100 + tall(css, data.rows, width, 44);
      o.grid = grid();
      const means = data.rows.map((_, i) => data.parts.reduce((sum, p) => sum + p.values[i], 0));
      o.xAxis = linearAxis(css, 0, Math.max(...means, ...data.spots.flatMap(s => [s.value, s.high])), width / 120, 'ns');
      o.yAxis = rowAxis(css, data.rows, width);
      o.series = data.parts.map((p, i) => ({ type: 'bar', name: p.name, stack: 'parts', barMaxWidth: 22, color: css.colors[i], data: p.values }));
      return marks(o, css, data.spots, same, 3);
    },
    spread(css, data, view, width) {
      const [low, high] = extent(data.spots.flatMap(s => [s.value, s.low, s.high]), 1.15);
      const o = base(css, { trigger: 'item', formatter: p => tip([data.rows[p.data.spot.row], p.seriesName + ' ' + duration(p.data.spot.value) + range(p.data.spot, 'ns')]) });
      o.height = 90 + tall(css, data.rows, width, 36);
      o.grid = grid();
      o.xAxis = logAxis(css, low, high, width / 75, duration, 'ns');
      o.yAxis = rowAxis(css, data.rows, width);
      o.series = [];
      return marks(o, css, data.spots, v => Math.log10(Math.max(v, 1)), 0);
    },
    figures(css, data, view, width) {
      const write = x => quantity(x, view.unit);
      const values = view.spots.flatMap(s => [s.value].concat(s.low || s.high ? [s.low, s.high] : [], s.samples || []));
      // A ratio is seen against 1, unless that is far away.
      const ratio = view.unit === 'x' && Math.min(...values) < 1.6 && Math.max(...values) > 0.6;
      if (ratio) values.push(1);
      const positive = values.every(v => v > 0);
      const wide = positive && Math.max(...values) / Math.min(...values) > 20;
      const at = wide ? Math.log10 : same;
      const o = base(css, { trigger: 'item', formatter: p => tip([view.rows[p.data.spot.row], view.name + ' ' + write(p.data.one === undefined ? p.data.spot.value : p.data.one) +
        (p.data.one === undefined ? range(p.data.spot, view.unit) : ' in one round')]) });
      o.height = 60 + tall(css, view.rows, width, 36);
      o.legend.show = false;
      o.grid = grid({ bottom: 10 });
      o.xAxis = wide ? logAxis(css, ...extent(values, 1.15), width / 75, write, view.unit)
        : linearAxis(css, Math.min(...values), Math.max(...values), width / 120, view.unit);
      o.yAxis = rowAxis(css, view.rows, width);
      o.series = [
        { type: 'scatter', symbolSize: 6, color: css.colors[7], itemStyle: { opacity: 0.55 },
          data: view.spots.flatMap(s => (s.samples || []).map(v => ({ value: [at(v), s.row], spot: s, one: v }))) },
        { type: 'scatter', symbol: 'diamond', symbolSize: 12, color: css.colors[0], markLine: whiskers(view.spots, at, css.colors[0]),
          data: view.spots.map(s => ({ value: [at(s.value), s.row], spot: s })) }];
      if (ratio) {
        o.series[0].markLine = { silent: true, symbol: 'none', label: { show: false }, lineStyle: { color: css.soft, type: 'dashed', width: 1.5 }, data: [{ xAxis: at(1) }] };
      }
      return o;
    },
    front(css, data, view, width) {
      const points = data.lines.flatMap(l => l.points);
      const y = p => Math.log10(p.y > 0 ? p.y : data.floor);
      const high = Math.max(...points.map(p => p.y), data.floor * 10) * 2;
      const size = p => data.size[1] > data.size[0] ? 9 + 27 * Math.sqrt((p.size - data.size[0]) / (data.size[1] - data.size[0])) : 14;
      const o = base(css, { trigger: 'item', formatter: q => q.data.point && tip([q.data.point.name].concat(q.data.line ? [q.data.line] : [],
        [data.names[0] + ' ' + duration(q.data.point.x), data.names[1] + ' ' + three(q.data.point.y), data.names[2] + ' ' + three(q.data.point.size)],
        q.data.point.hollow ? ['predicted'] : [], q.data.point.front ? ['on the front'] : [])) });
      o.height = Math.max(400, Math.min(520, width * 0.6));
      o.grid = grid({ top: 34, right: 34 });
      o.xAxis = Object.assign(logAxis(css, ...extent(points.map(p => p.x), 1.25), width / 75, duration, 'ns'), { name: data.names[0], nameLocation: 'middle', nameGap: 24 });
      o.yAxis = Object.assign(logAxis(css, data.floor / 2.5, high, 10, v => v <= data.floor * 1.01 ? '0' : three(v), '', data.floor), { name: data.names[1], nameTextStyle: { color: css.soft, align: 'left' } });
      o.series = data.lines.flatMap((l, i) => [
        { type: 'line', name: l.name || 'front', color: css.colors[i % 8], symbol: 'none', silent: true, z: 2, lineStyle: { width: 1.5 },
          data: l.points.filter(p => p.front).sort((a, b) => a.x - b.x || b.y - a.y).map(p => [Math.log10(p.x), y(p)]) },
        { type: 'scatter', name: l.name || 'front', z: 4, color: css.colors[i % 8], symbolSize: (v, q) => size(q.data.point),
          itemStyle: { borderColor: css.colors[i % 8], borderWidth: 2, opacity: 0.85 },
          labelLayout: { moveOverlap: 'shiftY', hideOverlap: true },
          label: { show: width > 560, position: 'right', color: css.soft, fontSize: 11, backgroundColor: css.ground, padding: [0, 2], formatter: q => q.data.point.front ? q.data.point.name.replace(/ttl |renew /g, '').replace(', ', ' / ') : '' },
          data: l.points.map(p => ({ value: [Math.log10(p.x), y(p)], point: p, line: l.name, itemStyle: { color: p.hollow ? 'transparent' : css.colors[i % 8] } })) }]);
      if (data.lines.length < 2) o.legend.show = false;
      return o;
    },
  };

  // marks adds a series for each quantile, with its ranges.
  function marks(o, css, spots, at, color) {
    const names = [...new Set(spots.map(s => s.name))];
    names.forEach((name, i) => {
      const mine = spots.filter(s => s.name === name);
      const c = css.colors[(color + i) % 8];
      o.series.push({ type: 'scatter', name: name, symbol: ['circle', 'diamond', 'triangle'][i % 3], symbolSize: 11, z: 5,
        itemStyle: { color: c, borderColor: css.ground, borderWidth: 1.5 }, color: c,
        markLine: Object.assign(whiskers(mine, at, c), { z: 6 }), data: mine.map(s => ({ value: [at(s.value), s.row], spot: s })) });
    });
    return o;
  }

  function start(figure) {
    const box = figure.querySelector('.chart');
    const data = JSON.parse(figure.querySelector('script').textContent);
    const choose = figure.querySelector('select'), tail = figure.querySelector('input');
    (data.views || []).forEach((v, i) => choose.add(new Option(v.name, i)));
    choose.parentNode.hidden = choose.length < 1;
    tail.parentNode.hidden = data.kind !== 'cdf';
    figure.querySelector('.choose').hidden = choose.length < 1;
    box.textContent = '';
    let chart = null, width = 0;
    const redraw = () => {
      width = box.clientWidth;
      const o = draw[data.kind](style(), data, data.views && data.views[choose.value], width, tail.checked);
      box.style.height = o.height + 'px';
      delete o.height;
      if (!chart) chart = echarts.init(box, null, { renderer: 'canvas' });
      chart.resize();
      chart.setOption(o, true);
    };
    redraw();
    choose.addEventListener('change', redraw);
    tail.addEventListener('change', redraw);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
    new ResizeObserver(() => { if (box.clientWidth !== width) redraw(); }).observe(box);
  }
  document.querySelectorAll('figure').forEach(start);
}());
