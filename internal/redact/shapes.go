package redact

import "bytes"

// shape is the form of the keys of some vendor: a prefix, and at least so many letters,
// digits, '_' and '-' behind it.
type shape struct {
	prefix string
	least  int
}

// shapes are the forms by which keys are known whatever place they stand in.
var shapes = [...]shape{
	{"iak_", minKey},                                     // ours: iak_<mode>_<38 letters and digits>
	{"phc_", minKey}, {"phx_", minKey}, {"phs_", minKey}, // PostHog
	{"sk_live_", minKey}, {"sk_test_", minKey}, {"rk_live_", minKey}, {"rk_test_", minKey}, {"pk_live_", minKey}, {"pk_test_", minKey}, {"whsec_", minKey}, // Stripe
	{"glc_", minKey}, {"glsa_", minKey}, // Grafana
	{"glpat-", minKey}, {"gldt-", minKey}, {"glrt-", minKey}, // GitLab
	{"xoxb-", minKey}, {"xoxp-", minKey}, {"xoxa-", minKey}, {"xoxe-", minKey}, {"xoxs-", minKey}, {"xapp-", minKey}, // Slack
	{"ghp_", minKey}, {"gho_", minKey}, {"ghu_", minKey}, {"ghs_", minKey}, {"ghr_", minKey}, {"github_pat_", minKey}, // GitHub
	{"AKIA", minKey}, {"ASIA", minKey}, // AWS
	{"AIza", 32}, {"ya29.", minKey}, // Google
	{"SG.", minKey},                                            // SendGrid
	{"npm_", minKey}, {"pypi-", minKey}, {"dckr_pat_", minKey}, // registries
	{"hvs.", minKey}, {"hvb.", minKey}, {"hvr.", minKey}, // Vault
	{"sk-ant-", minKey}, {"sk-proj-", minKey}, {"hf_", 24}, // models
	{"hcaik_", minKey}, {"hcxik_", minKey}, {"hcbik_", minKey}, // Honeycomb
	{"xaat-", minKey}, {"xapt-", minKey}, // Axiom
	{"sntrys_", minKey}, {"sntryu_", minKey}, // Sentry
	{"NRAK-", minKey}, {"NRII-", minKey}, {"NRJS-", minKey}, // New Relic
	{"shpat_", minKey}, {"shpss_", minKey}, {"dop_v1_", minKey}, // Shopify, DigitalOcean
	{"lin_api_", minKey}, {"PMAK-", minKey}, {"pscale_tkn_", minKey}, // Linear, Postman, PlanetScale
}

// shortestShape is how long a key with the shortest prefix is.
const shortestShape = len("SG.") + minKey

// minKey is how many characters after a prefix make a key, or a piece of one.
const minKey = 16

// shapesBy has the shapes by the first byte of their prefix.
var shapesBy = func() (t [256][]shape) {
	for _, s := range shapes {
		t[s.prefix[0]] = append(t[s.prefix[0]], s)
	}
	return t
}()

// cutShapes cuts the keys in text[from:to] that are known by their form. They begin where a
// word does.
func (c *Cleaner) cutShapes(text []byte, from, to int) {
	if to-from < shortestShape {
		return
	}
	for i := from; i < to; i++ {
		if i > 0 && classOf[text[i-1]]&both != 0 || classOf[text[i]]&both == 0 {
			continue
		}
		if end := shapeEnd(text, i, to); end > 0 {
			c.hit(i, end)
			i = end
		}
	}
}

// shapeEnd returns where the key ends that begins at i, or 0 if none does.
func shapeEnd(text []byte, i, to int) int {
	if text[i] == 'e' {
		return jwtEnd(text, i, to)
	}
	for _, s := range shapesBy[text[i]] {
		start := i + len(s.prefix)
		if start > to || string(text[i:start]) != s.prefix {
			continue
		}
		if end := wordEnd(text, start, to); end-start >= s.least {
			return pastDots(text, end, to)
		}
	}
	return 0
}

// jwtEnd returns where a JWT ends: the base64 of a JSON object, of another one, and a
// signature, with dots between them (RFC 7519).
func jwtEnd(text []byte, i, to int) int {
	if !bytes.HasPrefix(text[i:to], []byte("eyJ")) {
		return 0
	}
	end := wordEnd(text, i, to)
	if end == to || text[end] != '.' || wordEnd(text, end+1, to)-end <= minKey {
		return 0
	}
	return pastDots(text, end, to)
}

// wordEnd returns where the letters, digits, '_' and '-' end that begin at i.
func wordEnd(text []byte, i, to int) int {
	for i < to && isWord(text[i]) {
		i++
	}
	return i
}

// pastDots goes on behind dots, as long as a word follows.
func pastDots(text []byte, end, to int) int {
	for end+1 < to && text[end] == '.' && isWord(text[end+1]) {
		end = wordEnd(text, end+1, to)
	}
	return end
}
