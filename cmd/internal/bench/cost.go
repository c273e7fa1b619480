package bench

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// The request units of DynamoDB: a write takes one for each begun KB of the
// item, a strongly consistent read one for each begun 4 KB, and at least one,
// also where there is no such item. A conditional write takes the same if its
// condition is false, by the larger of the item that is there and the one that
// would have been. Source: the pages "DynamoDB read and write operations" and
// "Working with items" of the Amazon DynamoDB Developer Guide.
const (
	writeUnitBytes = 1 << 10
	readUnitBytes  = 4 << 10
	// rowOverhead is what package dynamodb's row holds besides key and value:
	// the names of its attributes and the revision.
	rowOverhead = 64
)

// Units are request units of DynamoDB.
type Units struct{ Read, Write float64 }

// per returns the units in an hour, if there were so many in d.
func (u Units) per(d time.Duration) Units {
	if d <= 0 {
		return Units{}
	}
	return Units{u.Read / d.Hours(), u.Write / d.Hours()}
}

func writeUnits(row int) int64 { return int64(max(1, (row+writeUnitBytes-1)/writeUnitBytes)) }

func readUnits(row int) int64 { return int64(max(1, (row+readUnitBytes-1)/readUnitBytes)) }

// rowSize is the size of a lock's item.
func rowSize(key string, value int) int { return rowOverhead + len(key) + value }

// Prices are what a store asks for a million request units. They are given by
// the user, with the day on which they were looked up, and never fetched: a
// price depends on region, tariff and day. The zero value is no price.
type Prices struct {
	ReadPerMillion  float64
	WritePerMillion float64
	// Currency is shown as it is. Default USD.
	Currency string
	// Date is when the prices held, as 2006-01-02.
	Date string
}

// Given reports whether there are prices.
func (p Prices) Given() bool { return p.ReadPerMillion != 0 || p.WritePerMillion != 0 }

// Validate refuses prices without their date, and dates without prices.
func (p Prices) Validate() error {
	if !p.Given() {
		if p.Date != "" {
			return fmt.Errorf("a price date %s without a price", p.Date)
		}
		return nil
	}
	for _, price := range []float64{p.ReadPerMillion, p.WritePerMillion} {
		if !(price >= 0) || math.IsInf(price, 0) {
			return fmt.Errorf("a price of %v per million request units", price)
		}
	}
	if p.Date == "" {
		return errors.New("a price needs the date on which it held: it is not looked up, and a report must say how old it is")
	}
	if _, err := time.Parse(time.DateOnly, p.Date); err != nil {
		return fmt.Errorf("price date %q is not of the form 2026-01-31", p.Date)
	}
	return nil
}

func (p Prices) currency() string {
	if p.Currency == "" {
		return "USD"
	}
	return p.Currency
}

// hoursPerMonth is a twelfth of a year of 365 days.
const hoursPerMonth = 730

// PerMonth returns what one lock costs in a month of 730 hours, if an hour takes
// these units.
func (p Prices) PerMonth(hour Units) float64 {
	return hoursPerMonth * (hour.Read*p.ReadPerMillion + hour.Write*p.WritePerMillion) / 1e6
}
