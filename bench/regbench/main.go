// regbench drives any OCI registry over plain HTTP with the workloads that its users feel, and prints one JSON
// object: rates, latencies, and the server's own CPU time and peak memory as the kernel counts them.
//
//	regbench -url http://127.0.0.1:5000 -pid 1234 -big 1024 -images 200 -conc 16 -seconds 5
//
// -only crowd,beside,idle,url add what needs many clients or a store that is full (-get URL); they are not
// part of the default run.
//
// CPU seconds per unit of work are the figures to compare: they hold on a noisy machine, where rates do not.
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	base    = flag.String("url", "http://127.0.0.1:5000", "registry root URL")
	pid     = flag.Int("pid", 0, "server's process id, for CPU and memory (0: none)")
	repo    = flag.String("repo", "bench/app", "repository to use")
	bigMiB  = flag.Int("big", 512, "size of the large blob, MiB")
	images  = flag.Int("images", 200, "small images to push")
	conc    = flag.Int("conc", 16, "concurrent clients")
	seconds = flag.Int("seconds", 5, "length of each read workload, seconds")
	user    = flag.String("user", "", "user:password for basic authentication")
	only    = flag.String("only", "", "comma-separated workloads to run (default all)")
)

var (
	insecure = flag.Bool("insecure", false, "believe any TLS certificate")
	urlToGet = flag.String("get", "", "URL for the workload url")
	onlyBig  = flag.Bool("stop-after-big", false, "end after the large layer: for servers that know nothing else")
	idlers   = flag.Int("idlers", 500, "connections of the workload idle")
)

var client *http.Client

// cpuSeconds returns user+system seconds that the server process has used so far.
func cpuSeconds() float64 {
	if *pid == 0 {
		return 0
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", *pid))
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+2:]))
	u, _ := strconv.ParseFloat(f[11], 64)
	s, _ := strconv.ParseFloat(f[12], 64)
	return (u + s) / 100
}

// memKiB returns a field of /proc/PID/status in KiB: VmRSS now, VmHWM at its peak.
func memKiB(field string) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", *pid))
	if err != nil {
		return 0
	}
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, field+":") {
			v, _ := strconv.Atoi(strings.Fields(l)[1])
			return v
		}
	}
	return 0
}

func do(method, u string, body io.Reader, size int64, hdr map[string]string) (*http.Response, error) {
	req, err := http.NewRequest(method, u, body)
	if err != nil {
		return nil, err
	}
	if size >= 0 {
		req.ContentLength = size
	}
	for k, v := range hdr {
		req.Header.Set(k, v)
	}
	if *user != "" {
		p := strings.SplitN(*user, ":", 2)
		req.SetBasicAuth(p[0], p[1])
	}
	return client.Do(req)
}

func drain(r *http.Response) int64 {
	n, _ := io.Copy(io.Discard, r.Body)
	r.Body.Close()
	return n
}

func location(r *http.Response) (*url.URL, error) { return r.Location() }

// patterned is an io.Reader of n cheap, non-repeating bytes.
type patterned struct {
	left int64
	ctr  uint64
}

func (p *patterned) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	if int64(len(b)) > p.left {
		b = b[:p.left]
	}
	for i := 0; i+8 <= len(b); i += 8 {
		p.ctr += 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(b[i:], p.ctr)
	}
	p.left -= int64(len(b))
	return len(b), nil
}

func digestOf(r io.Reader) string {
	h := sha256.New()
	io.Copy(h, r)
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// pushBlob uploads as Docker does: POST, one PATCH with the whole stream, PUT with the digest.
func pushBlob(repo, digest string, body io.Reader, size int64) error {
	r, err := do("POST", *base+"/v2/"+repo+"/blobs/uploads/", nil, -1, nil)
	if err != nil {
		return err
	}
	drain(r)
	if r.StatusCode != 202 {
		return fmt.Errorf("POST upload: %s", r.Status)
	}
	loc, err := location(r)
	if err != nil {
		return err
	}
	r, err = do("PATCH", loc.String(), body, size, map[string]string{"Content-Type": "application/octet-stream"})
	if err != nil {
		return err
	}
	drain(r)
	if r.StatusCode != 202 {
		return fmt.Errorf("PATCH: %s", r.Status)
	}
	if loc, err = location(r); err != nil {
		return err
	}
	q := loc.Query()
	q.Set("digest", digest)
	loc.RawQuery = q.Encode()
	r, err = do("PUT", loc.String(), nil, 0, map[string]string{"Content-Type": "application/octet-stream"})
	if err != nil {
		return err
	}
	drain(r)
	if r.StatusCode != 201 {
		return fmt.Errorf("PUT: %s", r.Status)
	}
	return nil
}

func pushBytes(repo string, b []byte) (string, error) {
	d := digestOf(bytes.NewReader(b))
	return d, pushBlob(repo, d, bytes.NewReader(b), int64(len(b)))
}

func putManifest(repo, ref string, b []byte) error {
	r, err := do("PUT", *base+"/v2/"+repo+"/manifests/"+ref, bytes.NewReader(b), int64(len(b)),
		map[string]string{"Content-Type": "application/vnd.oci.image.manifest.v1+json"})
	if err != nil {
		return err
	}
	msg, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if r.StatusCode != 201 {
		return fmt.Errorf("PUT manifest: %s %s", r.Status, msg)
	}
	return nil
}

func manifest(config string, csize int, layers ...[2]any) []byte {
	ls := []any{}
	for _, l := range layers {
		ls = append(ls, map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": l[0], "size": l[1]})
	}
	b, _ := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": map[string]any{"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": csize},
		"layers": ls,
	})
	return b
}

// pushImage pushes a config, three layers of 1 to 64 KiB, and a manifest under tag.
func pushImage(repo, tag string, rng *rand.Rand) error {
	cfg := []byte(fmt.Sprintf(`{"architecture":"amd64","os":"linux","n":%d}`, rng.Int63()))
	cd, err := pushBytes(repo, cfg)
	if err != nil {
		return err
	}
	var layers [][2]any
	for i := 0; i < 3; i++ {
		b := make([]byte, 1024+rng.Intn(64*1024))
		rng.Read(b)
		d, err := pushBytes(repo, b)
		if err != nil {
			return err
		}
		layers = append(layers, [2]any{d, len(b)})
	}
	return putManifest(repo, tag, manifest(cd, len(cfg), layers...))
}

type result map[string]any

func measure(unit string, f func() (float64, []time.Duration, int64)) result {
	c0, t0 := cpuSeconds(), time.Now()
	n, lat, errs := f()
	wall, cpu := time.Since(t0).Seconds(), cpuSeconds()-c0
	r := result{unit: n, "wall_s": round(wall), unit + "_per_s": round(n / wall), "errors": errs}
	if *pid != 0 {
		r["server_cpu_s"] = round(cpu)
		if n > 0 {
			r["server_cpu_ms_per_"+unit] = round(cpu * 1000 / n)
		}
		r["rss_kib"], r["peak_rss_kib"] = memKiB("VmRSS"), memKiB("VmHWM")
	}
	if len(lat) > 0 {
		sort.Slice(lat, func(i, j int) bool { return lat[i] < lat[j] })
		at := func(p float64) float64 { return round(float64(lat[int(p*float64(len(lat)-1))].Microseconds()) / 1000) }
		r["p50_ms"], r["p99_ms"], r["max_ms"] = at(.5), at(.99), at(1)
	}
	return r
}

func round(f float64) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 5, 64), 64)
	return v
}

// hammer repeats f from conc clients for the set time.
func hammer(f func(rng *rand.Rand) error) (float64, []time.Duration, int64) {
	var n, errs atomic.Int64
	var mu sync.Mutex
	var all []time.Duration
	var wg sync.WaitGroup
	end := time.Now().Add(time.Duration(*seconds) * time.Second)
	for c := 0; c < *conc; c++ {
		wg.Add(1)
		go func(c int) {
			defer wg.Done()
			rng := rand.New(rand.NewSource(int64(c)))
			var lat []time.Duration
			for time.Now().Before(end) {
				t := time.Now()
				if err := f(rng); err != nil {
					errs.Add(1)
					if errs.Load() < 4 {
						fmt.Fprintln(os.Stderr, "error:", err)
					}
					continue
				}
				lat = append(lat, time.Since(t))
				n.Add(1)
			}
			mu.Lock()
			all = append(all, lat...)
			mu.Unlock()
		}(c)
	}
	wg.Wait()
	return float64(n.Load()), all, errs.Load()
}

func get(u string, accept string) func(*rand.Rand) error {
	return func(*rand.Rand) error {
		h := map[string]string{}
		if accept != "" {
			h["Accept"] = accept
		}
		r, err := do("GET", u, nil, -1, h)
		if err != nil {
			return err
		}
		drain(r)
		if r.StatusCode != 200 {
			return fmt.Errorf("GET: %s", r.Status)
		}
		return nil
	}
}

func head(u string) func(*rand.Rand) error {
	return func(*rand.Rand) error {
		r, err := do("HEAD", u, nil, -1, nil)
		if err != nil {
			return err
		}
		drain(r)
		if r.StatusCode != 200 {
			return fmt.Errorf("HEAD: %s", r.Status)
		}
		return nil
	}
}

func main() {
	flag.Parse()
	client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *conc*2 + 8, MaxConnsPerHost: *conc*2 + 8, DisableCompression: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: *insecure}, WriteBufferSize: 256 << 10, ReadBufferSize: 256 << 10}}
	out := result{}
	named := func(n string) bool { return strings.Contains(","+*only+",", ","+n+",") }
	want := func(n string) bool { return *only == "" || named(n) }
	print := func() {
		if *pid != 0 {
			out["end_rss_kib"], out["peak_rss_kib"] = memKiB("VmRSS"), memKiB("VmHWM")
		}
		b, _ := json.MarshalIndent(out, "", "  ")
		fmt.Println(string(b))
	}
	die := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, "regbench:", err)
			os.Exit(1)
		}
	}
	if *pid != 0 {
		out["idle_rss_kib"] = memKiB("VmRSS")
	}
	if named("url") { // nothing but a URL is asked for, of whatever server it is
		out["url"] = measure("request", func() (float64, []time.Duration, int64) { return target(*urlToGet) })
		print()
		return
	}
	if named("url_big") { // the same, of a large file
		out["url_big"] = measure("gib", func() (float64, []time.Duration, int64) {
			var sum float64
			for range 4 { // one after the other, as pull_big does
				gib, err := pullAll(*urlToGet, 1)
				die(err)
				sum += gib
			}
			return sum, nil, 0
		})
		print()
		return
	}
	if named("idle") {
		r, err := idle(*idlers)
		die(err)
		out["idle"] = r
		print()
		return
	}
	salt := uint64(time.Now().UnixNano())
	size := int64(*bigMiB) << 20
	big := digestOf(&patterned{size, salt})
	gib := float64(size) / (1 << 30)
	// one large layer, up then down: bytes through the server
	if want("push_big") || want("pull_big") {
		out["push_big"] = measure("gib", func() (float64, []time.Duration, int64) {
			die(pushBlob(*repo, big, &patterned{size, salt}, size))
			return gib, nil, 0
		})
	}
	if want("pull_big") {
		out["pull_big"] = measure("gib", func() (float64, []time.Duration, int64) {
			for i := 0; i < 4; i++ {
				r, err := do("GET", *base+"/v2/"+*repo+"/blobs/"+big, nil, -1, nil)
				die(err)
				if n := drain(r); n != size {
					die(fmt.Errorf("pulled %d of %d bytes", n, size))
				}
			}
			return 4 * gib, nil, 0
		})
	}
	if *onlyBig {
		print()
		return
	}
	if named("pushing") {
		die(pushing(size))
		return
	}
	if named("crowd") {
		die(pushBlob(*repo, big, &patterned{size, salt}, size))
		out["crowd"] = measure("gib", func() (float64, []time.Duration, int64) { return crowd(big, size) })
		print()
		return
	}
	// many small images, pushed at once
	if want("push_images") {
		out["push_images"] = measure("image", func() (float64, []time.Duration, int64) {
			var next, errs atomic.Int64
			var mu sync.Mutex
			var all []time.Duration
			var wg sync.WaitGroup
			for c := 0; c < *conc; c++ {
				wg.Add(1)
				go func(c int) {
					defer wg.Done()
					rng := rand.New(rand.NewSource(int64(salt) + int64(c)))
					for {
						i := next.Add(1)
						if i > int64(*images) {
							return
						}
						t := time.Now()
						if err := pushImage(*repo, fmt.Sprintf("v%d", i), rng); err != nil {
							errs.Add(1)
							fmt.Fprintln(os.Stderr, "error:", err)
							continue
						}
						mu.Lock()
						all = append(all, time.Since(t))
						mu.Unlock()
					}
				}(c)
			}
			wg.Wait()
			return float64(*images), all, errs.Load()
		})
	}
	// one image read again and again: manifest by tag and by digest, and a small blob
	rng := rand.New(rand.NewSource(int64(salt)))
	blob := make([]byte, 4096)
	rng.Read(blob)
	bd, err := pushBytes(*repo, blob)
	die(err)
	cfg := []byte(fmt.Sprintf(`{"architecture":"amd64","os":"linux","n":%d}`, salt))
	cd, err := pushBytes(*repo, cfg)
	die(err)
	m := manifest(cd, len(cfg), [2]any{bd, len(blob)})
	die(putManifest(*repo, "hot", m))
	md := digestOf(bytes.NewReader(m))
	const accept = "application/vnd.oci.image.manifest.v1+json"
	for _, w := range []struct {
		name string
		f    func(*rand.Rand) error
	}{
		{"get_manifest_tag", get(*base+"/v2/"+*repo+"/manifests/hot", accept)},
		{"get_manifest_digest", get(*base+"/v2/"+*repo+"/manifests/"+md, accept)},
		{"get_small_blob", get(*base+"/v2/"+*repo+"/blobs/"+bd, "")},
		{"head_blob", head(*base + "/v2/" + *repo + "/blobs/" + bd)},
		{"list_tags", get(*base+"/v2/"+*repo+"/tags/list?n=100", "")},
		{"ping", get(*base+"/v2/", "")},
	} {
		if want(w.name) {
			out[w.name] = measure("request", func() (float64, []time.Duration, int64) { return hammer(w.f) })
		}
	}
	if named("beside") {
		die(besides("get_manifest_tag", get(*base+"/v2/"+*repo+"/manifests/hot", accept), out))
		die(besides("put_manifest", smallPut(cd, len(cfg), bd, len(blob)), out))
	}
	print()
}
