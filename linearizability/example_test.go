package linearizability_test

import (
	"context"
	"fmt"
	"os"

	lin "github.com/lockproof/lockproof/linearizability"
)

// A recorded history is judged offline.
func ExampleCheck() {
	f, err := os.Open("testdata/bad-mutual-exclusion-holder-outlives-lease.jsonl")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	p, h, err := lin.Read(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	v := lin.Check(context.Background(), p, h)
	fmt.Println(v.Verdict)
	for _, property := range v.Properties {
		if property.Verdict == lin.Violation {
			fmt.Printf("%s: %s\n", property.Name, property.Detail)
		}
	}
	// Output:
	// violation
	// mutual-exclusion: c0 held a 100ms-20s (grant 1); c1 acquired it at 10.5s (grant 2): overlap 1.5s
}

func ExampleWrite() {
	h := lin.History{
		{At: 0, Client: 0, Op: lin.OpAcquire, Phase: lin.Invoke, Lock: "orders"},
		{At: 1_200_000, Client: 0, Op: lin.OpAcquire, Phase: lin.Ok, Lock: "orders", Token: 7, Grant: 1},
	}
	if err := lin.Write(os.Stdout, lin.Params{TTL: 10e9, Promises: lin.Promises{ShortestLease: 9e9, Tokens: true}}, h); err != nil {
		fmt.Println(err)
	}
	// Output:
	// {"schema":"lockproof.history/v1","events":2,"ttl":"10s","promises":{"shortest_lease":"9s","release":"nothing","tokens":true}}
	// {"at":0,"client":0,"process":0,"op":"acquire","phase":"invoke","lock":"orders"}
	// {"at":1200000,"client":0,"process":0,"op":"acquire","phase":"ok","lock":"orders","token":7,"grant":1}
}

func ExampleValidate() {
	h := lin.History{{At: 5, Op: lin.OpAcquire, Phase: lin.Ok, Lock: "a", Grant: 1}}
	fmt.Println(lin.Validate(h))
	// Output: event 0 (line 2 of its file: 5ns c0 acquire ok): process 0 has no acquire of lock a open
}
