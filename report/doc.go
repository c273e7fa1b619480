// Package report turns results into what people and machines read: text for a
// terminal ([Terminal]), one JSON object ([JSON]), JUnit XML ([JUnit]), a page
// with a picture ([HTML]) and a run folder ([WriteFolder]).
//
// # What it promises
//
// A report says what the result says and judges nothing itself. The same result
// gives the same bytes, on every machine. A page is one file that loads nothing
// from anywhere, and it is readable without its script, printed, light and dark.
// Whatever comes from a history, a server or a scenario is untrusted: it is
// escaped in HTML and XML, and control characters never reach a terminal. A
// picture is drawn of any history, malformed ones included. Of a long one only
// the surroundings of the violation are drawn, and the page says so.
//
// A run folder appears whole, and no run replaces another one. Where there is no
// room for all of it, it holds what was written before: the scenario first, the
// history, the verdict, and the page last; a file is whole or not there. It does
// not survive what its file system does not: the files are synced, the directory
// is not.
//
// # JSON
//
// [JSON] writes one object, "lockproof.run/v1". Times are in nanoseconds where
// the name ends in _ns.
//
//	schema, subject, backend, server
//	exit_code     what the command exits with: 0, 1, 2 or 3
//	errors[]      what went wrong besides, such as an output that could not be
//	              written; absent if nothing did
//	verdict       "ok", "violation", "unknown"
//	message       one sentence
//	seed, seeds, failed, undecided
//	              the first seed, how many were run, how many failed, and how
//	              many could not be judged
//	seeds_wanted  how many were to be run; absent where that was left to time,
//	              and of a single run
//	vacuous       why an ok would prove nothing; absent otherwise
//	interrupted, store_contract_broken
//	              absent unless true; what was interrupted is never "ok"
//	ttl_ns
//	classes       the worst verdict of each class of properties: safety, notice,
//	              liveness, cost
//	properties[]  name, class, verdict (also "n/a"), detail; lock, at, count,
//	              size_ns, events, informational where they say something
//	coverage      acquires, grants, contended, expired, takeovers, lost,
//	              indefinite, ..., unanswered_requests
//	trace_hash    sixteen hex digits; of a sweep, over the hashes of all seeds;
//	              absent for live runs and for what was interrupted
//	throughput    store_ops, events, virtual_seconds;
//	              wall_seconds, store_ops_per_second, x_real_time: as a clock on
//	              the wall shows it, with as many cores as were used;
//	              core_seconds, store_ops_per_core_second, x_real_time_per_core:
//	              by the processor time of the process, which is what one core
//	              does in a second that is its own; absent for live runs
//	latency       uncontended, contended, hand_off: count, p50_ns, p90_ns,
//	              p99_ns, max_ns
//	failover      the same, and over_ttl: p50, p90, p99, max in multiples of ttl
//	failures[]    seed, verdict, class, property, message, replay: the first few runs
//	              that failed ("violation"), then the first few that could not be
//	              judged ("unknown")
//
// Where a command has several parts (a simulated sweep and a live run), runs[]
// holds one such object for each, without schema, exit_code and errors. The object
// itself then has the worst verdict with its message, the worst of each property
// and the failures of all; what cannot be added up (coverage, throughput, latency)
// is in runs[] alone, and subject and backend are joined with a plus where they
// differ. A part that could not be run at all is there too, as "unknown".
package report
