// Says how BuildKit itself reads a Dockerfile, for the tests of src/dockerfile.
//
// One question a line on stdin, one answer a line on stdout, both JSON. Versions are those that Docker Engine 26.1
// vendors. Of a Dockerfile it tells what the parser made of it and which images were asked for on the way to a build
// definition; of a word, what the shell lexer made of it.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"sync"

	"github.com/containerd/containerd/platforms"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
	"github.com/moby/buildkit/frontend/dockerui"
	digest "github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

type question struct {
	// A Dockerfile, or a word to expand with Env.
	Dockerfile     []byte              `json:"dockerfile"`
	BuildArgs      map[string]string   `json:"buildArgs"`
	Target         string              `json:"target"`
	BuildPlatform  string              `json:"buildPlatform"`
	TargetPlatform string              `json:"targetPlatform"`
	Triggers       map[string][]string `json:"triggers"`
	Word           *string             `json:"word"`
	Env            map[string]string   `json:"env"`
	Escape         string              `json:"escape"`
}

type heredoc struct {
	Name    string `json:"name"`
	Content string `json:"content"`
	Chomp   bool   `json:"chomp"`
}

type instruction struct {
	Line     int       `json:"line"`
	Keyword  string    `json:"keyword"`
	Flags    []string  `json:"flags"`
	Args     []string  `json:"args"`
	JSON     bool      `json:"json"`
	Heredocs []heredoc `json:"heredocs"`
	Original string    `json:"original"`
}

type answer struct {
	Error        string        `json:"error,omitempty"`
	Escape       string        `json:"escape,omitempty"`
	Syntax       string        `json:"syntax,omitempty"`
	Instructions []instruction `json:"instructions,omitempty"`
	BuildError   string        `json:"buildError,omitempty"`
	Images       []string      `json:"images,omitempty"`
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

func describe(ast *parser.Node) []instruction {
	var list []instruction
	for _, node := range ast.Children {
		item := instruction{
			Line:     node.StartLine,
			Keyword:  node.Value,
			Flags:    append([]string{}, node.Flags...),
			Args:     args(node),
			JSON:     node.Attributes["json"],
			Original: node.Original,
			Heredocs: []heredoc{},
		}
		for _, doc := range node.Heredocs {
			item.Heredocs = append(item.Heredocs, heredoc{doc.Name, doc.Content, doc.Chomp})
		}
		list = append(list, item)
	}
	return list
}

// recorder is the registry: every image is there, and who asked is written down.
type recorder struct {
	mu       sync.Mutex
	images   []string
	triggers map[string][]string
}

func (r *recorder) ResolveImageConfig(_ context.Context, ref string, opt sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := ref
	if opt.Platform != nil {
		name += " " + platforms.Format(platforms.Normalize(*opt.Platform))
	}
	r.images = append(r.images, name)
	config := map[string]any{
		"os":           "linux",
		"architecture": "amd64",
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{digest.FromString("layer").String()}},
		"config":       map[string]any{"OnBuild": r.triggers[ref]},
	}
	dt, err := json.Marshal(config)
	return ref, digest.FromString(ref), dt, err
}

func platform(text string) (*ocispecs.Platform, error) {
	parsed, err := platforms.Parse(text)
	if err != nil {
		return nil, err
	}
	normal := platforms.Normalize(parsed)
	return &normal, nil
}

func build(q question, a *answer) error {
	buildPlatform, err := platform(q.BuildPlatform)
	if err != nil {
		return err
	}
	targetPlatform, err := platform(q.TargetPlatform)
	if err != nil {
		return err
	}
	registry := &recorder{triggers: q.Triggers}
	_, _, _, _, err = dockerfile2llb.Dockerfile2LLB(context.Background(), q.Dockerfile, dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{
			BuildArgs:      q.BuildArgs,
			Target:         q.Target,
			BuildPlatforms: []ocispecs.Platform{*buildPlatform},
		},
		TargetPlatform: targetPlatform,
		MetaResolver:   registry,
	})
	sort.Strings(registry.images)
	a.Images = registry.images
	return err
}

func reply(q question) (a answer) {
	defer func() {
		if r := recover(); r != nil {
			a.Error = fmt.Sprintf("panic: %v", r)
		}
	}()
	if q.Word != nil {
		word, err := shell.NewLex(rune(q.Escape[0])).ProcessWordWithMap(*q.Word, q.Env)
		if err != nil {
			return answer{Error: err.Error()}
		}
		return answer{Word: word}
	}
	if syntax, _, _, ok := parser.DetectSyntax(q.Dockerfile); ok {
		a.Syntax = syntax
	}
	parsed, err := parser.Parse(bytes.NewReader(q.Dockerfile))
	if err != nil {
		a.Error = err.Error()
		return a
	}
	a.Escape = string(parsed.EscapeToken)
	a.Instructions = describe(parsed.AST)
	if _, _, err := instructions.Parse(parsed.AST); err != nil {
		a.Error = err.Error()
		return a
	}
	if q.TargetPlatform != "" {
		if err := build(q, &a); err != nil {
			a.BuildError = err.Error()
		}
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
