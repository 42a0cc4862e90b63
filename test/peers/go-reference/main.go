// Reads one JSON string per line and writes one JSON answer per line: what docker's own parsers make of it.
// `reference TEXT` uses github.com/distribution/reference, `platform TEXT` github.com/containerd/platforms.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	_ "crypto/sha256"
	_ "crypto/sha512"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
)

type answer struct {
	Error    string `json:"error,omitempty"`
	Domain   string `json:"domain,omitempty"`
	Path     string `json:"path,omitempty"`
	Tag      string `json:"tag,omitempty"`
	Digest   string `json:"digest,omitempty"`
	Full     string `json:"full,omitempty"`
	Familiar string `json:"familiar,omitempty"`
	Platform string `json:"platform,omitempty"`
	Runs     string `json:"runs,omitempty"`
}

func parseReference(text string) answer {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	out := answer{
		Domain:   reference.Domain(named),
		Path:     reference.Path(named),
		Full:     reference.TagNameOnly(named).String(),
		Familiar: reference.FamiliarString(named),
	}
	if tagged, ok := named.(reference.Tagged); ok {
		out.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		out.Digest = digested.Digest().String()
	}
	return out
}

// Second word, if any: which of the platforms named there this one runs, best first.
func parsePlatform(text string, offers string) answer {
	parsed, err := platforms.Parse(text)
	if err != nil {
		return answer{Error: err.Error()}
	}
	out := answer{Platform: platforms.FormatAll(parsed)}
	runs := []string{}
	matcher := platforms.Only(parsed)
	for _, offer := range strings.Fields(offers) {
		if other, err := platforms.Parse(offer); err == nil && matcher.Match(other) {
			runs = append(runs, offer)
		}
	}
	out.Runs = strings.Join(runs, " ")
	return out
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<24)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var question struct{ Kind, Text, Offers string }
		if err := json.Unmarshal(in.Bytes(), &question); err != nil {
			panic(err)
		}
		if question.Kind == "platform" {
			_ = out.Encode(parsePlatform(question.Text, question.Offers))
		} else {
			_ = out.Encode(parseReference(question.Text))
		}
	}
}
