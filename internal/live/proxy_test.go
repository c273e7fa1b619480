package live

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestBytesAndEndsPassBothWays(t *testing.T) {
	s, p, c := talk(t)
	big := strings.Repeat("x", 5<<20)
	go func() { // ends when all is written; the server hears it
		if _, err := io.WriteString(c.conn, big+"\n"); err != nil {
			t.Error(err)
		}
	}()
	s.hears(t, big)
	c.hears(big)
	c.says("last words")
	if err := c.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	s.hears(t, "last words")
	s.hears(t, "end: finished")
	c.hears("last words")
	c.hears("end: finished")
	if got := p.Counts(); got.Accepted != 1 || got.Reset != 0 || got.Lost != 0 || got.Held != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestACutOfRequestsLosesThemAndResetsWhenItHeals(t *testing.T) {
	s, p, c := talk(t)
	bystander := dial(t, p)
	bystander.says("b")
	s.hears(t, "b")
	bystander.hears("b")

	p.Cut(Requests)
	c.says("lost")
	s.hearsNothing(t)
	c.hearsNothing()
	p.Heal(Requests)
	c.hears("end: reset")
	s.hears(t, "end: reset")
	// What lost nothing stands.
	bystander.says("still here")
	s.hears(t, "still here")
	bystander.hears("still here")
	if got := p.Counts(); got.Reset != 1 || got.Lost == 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestACutOfRepliesLetsRequestsPass(t *testing.T) {
	s, p, c := talk(t)
	p.Cut(Replies)
	c.says("one")
	s.hears(t, "one")
	c.hearsNothing()
	c.says("two")
	s.hears(t, "two")
	p.Heal(Replies)
	c.hears("end: reset")
	s.hears(t, "end: reset")
}

func TestRepliesPassWhileRequestsAreCut(t *testing.T) {
	s, p, c := talk(t)
	p.AddLatency(Replies, 100*time.Millisecond)
	c.says("sent before")
	s.hears(t, "sent before")
	p.Cut(Requests)
	c.hears("sent before")
	p.Heal(Requests)
	p.AddLatency(Replies, -100*time.Millisecond)
	c.says("nothing was lost")
	s.hears(t, "nothing was lost")
	c.hears("nothing was lost")
}

func TestWhatIsUnderWayWhenACutBeginsIsLost(t *testing.T) {
	s, p, c := talk(t)
	p.AddLatency(Requests, 200*time.Millisecond)
	c.says("under way")
	p.Cut(Requests)
	eventually(t, "it is lost", func() bool { return p.Counts().Lost > 0 })
	p.Heal(Requests)
	c.hears("end: reset")
	s.hears(t, "end: reset")
}

func TestCutsNestAndConnectionsAreResetWhenAllIsHealed(t *testing.T) {
	s, p, c := talk(t)
	p.Cut(Requests, Replies)
	p.Cut(Requests)
	c.says("lost")
	c.hearsNothing()
	p.Heal(Requests, Replies)
	c.hearsNothing()
	s.hearsNothing(t)
	p.Hold()
	p.Heal(Requests)
	c.hearsNothing()
	p.Release()
	c.hears("end: reset")
	s.hears(t, "end: reset")
}

func TestNobodyHearsOfADeathDuringACut(t *testing.T) {
	for _, dying := range []struct {
		how  string
		end  func(c *caller)
		want string
	}{
		{"close", func(c *caller) { _ = c.conn.Close() }, "end: reset"},
		{"reset", func(c *caller) { abort(c.conn) }, "end: reset"},
	} {
		t.Run(dying.how, func(t *testing.T) {
			s, p, c := talk(t)
			p.Cut(Requests)
			dying.end(c)
			s.hearsNothing(t)
			p.Heal(Requests)
			s.hears(t, dying.want)
		})
	}
}

func TestAServerDoesNotHearThatItsReplyCouldNotBeDelivered(t *testing.T) {
	s, p, c := talk(t)
	p.AddLatency(Replies, 100*time.Millisecond)
	c.says("a")
	s.hears(t, "a")
	c.says("b")
	s.hears(t, "b")
	p.Cut(Requests)
	abort(c.conn)
	s.hearsNothing(t)
	s.hearsNothing(t)
	s.hearsNothing(t)
	p.Heal(Requests)
	s.hears(t, "end: reset")
}

func TestADialDuringACutIsAnsweredByNothing(t *testing.T) {
	s, p, _ := talk(t)
	for _, dirs := range [][]Direction{{Requests}, {Replies}, {Requests, Replies}} {
		p.Cut(dirs...)
		c := dial(t, p)
		c.says("lost")
		c.hearsNothing()
		s.hearsNothing(t)
		p.Heal(dirs...)
		c.hears("end: reset")
	}
	after := dial(t, p)
	after.says("after")
	s.hears(t, "after")
	after.hears("after")
}

func TestAHoldKeepsEverythingAndReleasesItInOrder(t *testing.T) {
	s, p, c := talk(t)
	p.Hold()
	p.Hold()
	for i := range 100 {
		c.says(fmt.Sprint(i))
	}
	late := dial(t, p)
	late.says("late")
	s.hearsNothing(t)
	p.Release()
	s.hearsNothing(t)
	p.Release()
	for i := range 100 {
		c.hears(fmt.Sprint(i))
	}
	late.hears("late")
	if got := p.Counts(); got.Held == 0 || got.Reset != 0 || got.Lost != 0 {
		t.Errorf("counted %+v", got)
	}
}

func TestAHoldKeepsReplies(t *testing.T) {
	s, p, c := talk(t)
	p.AddLatency(Replies, 50*time.Millisecond)
	c.says("applied")
	s.hears(t, "applied")
	p.Hold()
	p.AddLatency(Replies, -50*time.Millisecond)
	eventually(t, "the reply is held", func() bool { return p.Counts().Held == 1 })
	c.hearsNothing()
	p.Release()
	c.hears("applied")
}

func TestAHeldRequestOfADeadClientLandsLater(t *testing.T) {
	s, p, c := talk(t)
	p.Hold()
	c.says("late write")
	eventually(t, "the request is held", func() bool { return p.Counts().Held == 1 })
	_ = c.conn.Close()
	s.hearsNothing(t)
	p.Release()
	s.hears(t, "late write")
}

func TestLatencyIsWaitedForInEachDirection(t *testing.T) {
	s, p, c := talk(t)
	for _, dir := range []Direction{Requests, Replies} {
		const latency = 150 * time.Millisecond
		p.AddLatency(dir, latency)
		begun := time.Now()
		c.says(dir.String())
		s.hears(t, dir.String())
		heard := time.Since(begun)
		c.hears(dir.String())
		answered := time.Since(begun)
		// A delay is never shorter than asked for; how much longer it is depends
		// on the machine, and is not asserted.
		if dir == Requests && heard < latency || answered < latency {
			t.Errorf("%s with a latency of %s were heard after %s and answered after %s", dir, latency, heard, answered)
		}
		p.AddLatency(dir, -latency)
	}
}

// TestLatencyDoesNotLimitThroughput sends 100 lines one after the other: if each
// waited for the one before it, they would take 100 latencies.
func TestLatencyDoesNotLimitThroughput(t *testing.T) {
	_, p, c := talk(t)
	const latency, lines = 100 * time.Millisecond, 100
	p.AddLatency(Requests, latency)
	p.AddLatency(Replies, latency)
	begun := time.Now()
	for i := range lines {
		c.says(fmt.Sprint(i))
		time.Sleep(100 * time.Microsecond) // so that each is a chunk of its own
	}
	for i := range lines {
		c.hears(fmt.Sprint(i))
	}
	if took := time.Since(begun); took > latency*lines/2 {
		t.Errorf("%d lines took %s with a latency of %s", lines, took, latency)
	}
}

func TestJitterKeepsTheOrder(t *testing.T) {
	_, p, c := talk(t)
	p.AddJitter(Requests, 5*time.Millisecond)
	p.AddJitter(Replies, 5*time.Millisecond)
	for i := range 200 {
		c.says(fmt.Sprint(i))
	}
	for i := range 200 {
		c.hears(fmt.Sprint(i))
	}
}

func TestRefusedDialsAreRefusedAndTheRestGoesOn(t *testing.T) {
	s, p, c := talk(t)
	p.RefuseDials()
	p.RefuseDials()
	for range 2 {
		if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("got %v", err)
		}
		c.says("still here")
		s.hears(t, "still here")
		c.hears("still here")
		if err := p.AllowDials(); err != nil {
			t.Fatal(err)
		}
	}
	again := dial(t, p)
	again.says("again")
	again.hears("again")
}

func TestAReplyIsCutInTheMiddle(t *testing.T) {
	s, p, c := talk(t)
	done := p.CutReplyAfter(10)
	c.says("four")
	c.hears("four")
	c.says("applied all the same")
	s.hears(t, "four")
	s.hears(t, "applied all the same")
	<-done
	// Of ten bytes five were used up. A reset may overtake what was sent before.
	if got := c.next(patience); got != "appliend: reset" && got != "end: reset" {
		t.Errorf("the client heard %q", got)
	}
	s.hears(t, "end: reset")
	again := dial(t, p)
	again.says("once is enough")
	again.hears("once is enough")
	replaced := p.CutReplyAfter(1000)
	p.CutReplyAfter(1000)
	<-replaced
}

func TestResetAllResetsBothEnds(t *testing.T) {
	s, p, c := talk(t)
	p.Cut(Requests, Replies)
	p.ResetAll()
	c.hears("end: reset")
	s.hears(t, "end: reset")
}

func TestAServerThatRefusesIsSeenAsAReset(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	p := newProxy(t, listener.Addr().String())
	conn, err := net.Dial("tcp", p.Addr())
	if err == nil { // else the reset came before the dial's own return
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
	if endOf(err) != "reset" {
		t.Errorf("got %v", err)
	}
}

func TestCloseEndsEverythingInWhateverState(t *testing.T) {
	s, p, c := talk(t)
	p.AddLatency(Requests, time.Hour)
	c.says("under way")
	p.Hold()
	p.Cut(Replies)
	dial(t, p)
	p.RefuseDials()
	done := p.CutReplyAfter(0)
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	c.hears("end: reset")
	s.hears(t, "end: reset")
	if err := p.AllowDials(); err != nil {
		t.Error(err)
	}
	if _, err := net.Dial("tcp", p.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a closed proxy: %v", err)
	}
}

func TestAProxyNeedsChoices(t *testing.T) {
	if _, err := NewProxy("127.0.0.1:1", ProxyConfig{}); err == nil || !strings.Contains(err.Error(), "Choices") {
		t.Errorf("got %v", err)
	}
}
