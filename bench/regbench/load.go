// The workloads that need a store that is full, or clients that are many.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"time"
)

// target is any URL, for what is not asked of a repository: a page of the catalog, a file of nginx.
func target(u string) (float64, []time.Duration, int64) { return hammer(get(u, "")) }

// pullAll fetches a URL n times at once and reads it to its end; GiB in all.
func pullAll(u string, n int) (float64, error) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var total int64
	var failed error
	for range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			r, err := do("GET", u, nil, -1, nil)
			var got int64
			if err == nil {
				got = drain(r)
				if r.StatusCode != 200 {
					err = fmt.Errorf("GET: %s", r.Status)
				}
			}
			mu.Lock()
			defer mu.Unlock()
			total += got
			if err != nil {
				failed = err
			}
		}()
	}
	wg.Wait()
	return float64(total) / (1 << 30), failed
}

// pushMany uploads n large blobs at once; GiB in all.
func pushMany(n int, size int64) (float64, error) {
	var wg sync.WaitGroup
	errs := make(chan error, n)
	for i := range n {
		wg.Add(1)
		go func() {
			defer wg.Done()
			salt := uint64(time.Now().UnixNano()) + uint64(i)<<32
			errs <- pushBlob(*repo, digestOf(&patterned{size, salt}), &patterned{size, salt}, size)
		}()
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(n) * float64(size) / (1 << 30), nil
}

// crowd is 16 pushes and 64 pulls of a large blob at once: what counts is the server's peak memory.
func crowd(big string, size int64) (float64, []time.Duration, int64) {
	var pushed, pulled float64
	var pushErr, pullErr error
	var wg sync.WaitGroup
	wg.Add(2)
	go func() { defer wg.Done(); pushed, pushErr = pushMany(16, size) }()
	go func() { defer wg.Done(); pulled, pullErr = pullAll(*base+"/v2/"+*repo+"/blobs/"+big, 64) }()
	wg.Wait()
	var errs int64
	for _, err := range []error{pushErr, pullErr} {
		if err != nil {
			fmt.Fprintln(os.Stderr, "error:", err)
			errs++
		}
	}
	return pushed + pulled, nil, errs
}

// besides measures f while 8 large blobs are pushed again and again, and in quiet before that. Another process pushes them:
// one that is busy with that itself would tell how long its own requests wait for each other.
func besides(name string, f func(*rand.Rand) error, out result) error {
	out[name+"_quiet"] = measure("request", func() (float64, []time.Duration, int64) { return hammer(f) })
	pusher := exec.Command(os.Args[0], "-url", *base, "-repo", *repo, "-big", fmt.Sprint(*bigMiB), "-seconds", fmt.Sprint(*seconds+2), fmt.Sprint("-insecure=", *insecure), "-only", "pushing")
	pusher.Stderr = os.Stderr
	if err := pusher.Start(); err != nil {
		return err
	}
	time.Sleep(time.Second)
	out[name+"_beside_8_pushes"] = measure("request", func() (float64, []time.Duration, int64) { return hammer(f) })
	return pusher.Wait()
}

// pushing pushes 8 large blobs at once, again and again.
func pushing(size int64) error {
	for end := time.Now().Add(time.Duration(*seconds) * time.Second); time.Now().Before(end); {
		if _, err := pushMany(8, size); err != nil {
			return err
		}
	}
	return nil
}

// idle opens n connections, asks one thing on each, and lets them stand: KiB of the server's memory for each.
func idle(n int) (result, error) {
	u, err := url.Parse(*base)
	if err != nil {
		return nil, err
	}
	before := memKiB("VmRSS")
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	answer := make([]byte, 4096)
	for range n {
		c, err := net.Dial("tcp", u.Host)
		if err != nil {
			return nil, err
		}
		open = append(open, c)
		fmt.Fprintf(c, "GET /v2/ HTTP/1.1\r\nHost: %s\r\n\r\n", u.Host)
		if _, err := c.Read(answer); err != nil && err != io.EOF {
			return nil, err
		}
	}
	time.Sleep(time.Second)
	after := memKiB("VmRSS")
	return result{"connections": n, "rss_kib_per_connection": round(float64(after-before) / float64(n))}, nil
}

// smallPut pushes a manifest of its own each time, over blobs that are there.
func smallPut(config string, csize int, layer string, lsize int) func(*rand.Rand) error {
	return func(rng *rand.Rand) error {
		var m map[string]any
		if err := json.Unmarshal(manifest(config, csize, [2]any{layer, lsize}), &m); err != nil {
			return err
		}
		m["annotations"] = map[string]string{"n": fmt.Sprint(rng.Int63(), time.Now().UnixNano())}
		b, err := json.Marshal(m)
		if err != nil {
			return err
		}
		return putManifest(*repo, digestOf(&once{b}), b)
	}
}

type once struct{ left []byte }

func (o *once) Read(b []byte) (int, error) {
	if len(o.left) == 0 {
		return 0, io.EOF
	}
	n := copy(b, o.left)
	o.left = o.left[n:]
	return n, nil
}
