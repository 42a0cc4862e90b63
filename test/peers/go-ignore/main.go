// Reads one JSON question per line and writes one JSON answer per line: what docker's own code keeps out of a context.
// The lines of a .dockerignore go through github.com/moby/patternmatcher as docker's command line has them go, each path
// with the results of the folders above it.
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

type question struct {
	Ignore string
	Paths  []string
}

type answer struct {
	Error    string   `json:"error,omitempty"`
	Patterns []string `json:"patterns,omitempty"`
	Ignored  []bool   `json:"ignored,omitempty"`
}

func isIgnored(matcher *patternmatcher.PatternMatcher, path string) (bool, error) {
	var info patternmatcher.MatchInfo
	parts := strings.Split(path, "/")
	for depth := 1; ; depth++ {
		ignored, next, err := matcher.MatchesUsingParentResults(strings.Join(parts[:depth], "/"), info)
		if err != nil || depth == len(parts) {
			return ignored, err
		}
		info = next
	}
}

func look(asked question) answer {
	patterns, err := ignorefile.ReadAll(strings.NewReader(asked.Ignore))
	if err != nil {
		return answer{Error: err.Error()}
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil {
		return answer{Error: err.Error()}
	}
	out := answer{Patterns: patterns}
	for _, path := range asked.Paths {
		ignored, err := isIgnored(matcher, path)
		if err != nil {
			return answer{Error: err.Error()}
		}
		out.Ignored = append(out.Ignored, ignored)
	}
	return out
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<26)
	out := json.NewEncoder(os.Stdout)
	for in.Scan() {
		var asked question
		if err := json.Unmarshal(in.Bytes(), &asked); err != nil {
			panic(err)
		}
		_ = out.Encode(look(asked))
	}
}
