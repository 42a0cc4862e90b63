// Says how the classic builder's parser reads a Dockerfile, for the tests of src/dockerfile: the BuildKit that Docker
// Engine 20.10.24 vendors for it.
//
// One question a line on stdin, one answer a line on stdout, both JSON.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

type question struct {
	// A Dockerfile, or a word to expand with Env.
	Dockerfile []byte            `json:"dockerfile"`
	Word       *string           `json:"word"`
	Env        map[string]string `json:"env"`
	Escape     string            `json:"escape"`
}

type instruction struct {
	Line     int      `json:"line"`
	Keyword  string   `json:"keyword"`
	Flags    []string `json:"flags"`
	Args     []string `json:"args"`
	JSON     bool     `json:"json"`
	Original string   `json:"original"`
}

type answer struct {
	Error        string        `json:"error,omitempty"`
	Escape       string        `json:"escape,omitempty"`
	Instructions []instruction `json:"instructions,omitempty"`
	Word         string        `json:"word,omitempty"`
}

func args(node *parser.Node) []string {
	result := []string{}
	for next := node.Next; next != nil; next = next.Next {
		if len(next.Children) == 0 {
			result = append(result, next.Value)
		}
	}
	return result
}

func reply(q question) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a.Error = fmt.Sprintf("panic: %v", r)
		}
	}()
	if q.Word != nil {
		env := []string{}
		for name, value := range q.Env {
			env = append(env, name+"="+value)
		}
		word, err := shell.NewLex(rune(q.Escape[0])).ProcessWord(*q.Word, env)
		if err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Word: word}
	}
	parsed, err := parser.Parse(bytes.NewReader(q.Dockerfile))
	if err != nil {
		return answer{Error: err.Error()}
	}
	if _, _, err := instructions.Parse(parsed.AST); err != nil {
		return answer{Error: err.Error()}
	}
	a.Escape = string(parsed.EscapeToken)
	for _, node := range parsed.AST.Children {
		a.Instructions = append(a.Instructions, instruction{
			Line:     node.StartLine,
			Keyword:  node.Value,
			Flags:    append([]string{}, node.Flags...),
			Args:     args(node),
			JSON:     node.Attributes["json"],
			Original: node.Original,
		})
	}
	return a
}

func main() {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<26)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	encoder := json.NewEncoder(out)
	for in.Scan() {
		var q question
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := encoder.Encode(reply(q)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
}
