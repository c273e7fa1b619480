// Package benchreport shows what lockbench measured: on a terminal, as a page with
// charts, as pictures for a document, as CSV and as a Go benchmark for benchstat.
//
// It follows the Result: cells, labels, metrics and distributions are shown in
// its order and under its names. Only the charts look for some by name, all of
// which are listed below; without them a chart is left out. Nothing is computed
// here that the Result does not say, apart from rounding for the eye.
//
// Names, labels and notes are foreign text. They are escaped in the page and in
// pictures, and cannot move the cursor of a terminal.
package benchreport

// What the charts look for in a Result.
const (
	nameHandOff  = "hand-off" // distribution: from a release to the next grant
	nameOutage   = "outage"   // distribution: nobody held the lock, and its parts in order
	partFailover = "failover" // distribution: from the failure to the next grant
	partDetect   = "detect"
	partAcquire  = "acquire"
	partResume   = "resume"

	nameFailover = "failover p99"       // metrics of a lease setting: how long nobody holds the lock after a death,
	nameFalse    = "false failovers/h"  // how often a living holder loses it,
	nameRequests = "requests/lock-hour" // what it costs,
	nameFront    = "on front"           // and 1 if no other setting is better in all of them

	labelTTL   = "ttl" // the setting itself; cells that share all other labels are drawn as one line
	labelRenew = "renew"

	labelSource = "source" // where the figures of a cell come from
	predicted   = "predicted"

	// unitRatio is the unit of metrics that are drawn around 1.
	unitRatio = "x"
)
