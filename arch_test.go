package stackhouse

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/stackhouse-db/stackhouse"

// imports states the policy: production code of a folder may import only its
// own folder and what its line names, each entry with what is below it.
// Loosening a line needs an ADR. .golangci.yml shows the same in the editor.
//
// Siblings do not import each other: they meet through small interfaces that
// the consumer declares, and cmd joins them.
var imports = map[string]string{
	"warehouse": "",
	"ingest":    "warehouse",
	"metastore": "warehouse",
	"compactor": "warehouse sql/engine",
	"sql":       "warehouse",
	"pgwire":    "warehouse sql",
	"api":       "warehouse sql",
	"web":       "",
	"cmd":       "warehouse ingest metastore compactor sql pgwire api web",
}

// layers orders packages within a folder: a package may import those of its
// folder on earlier lines only.
var layers = map[string][]string{
	"warehouse": {
		"warehouse",
		"warehouse/failpoint warehouse/inflate warehouse/space warehouse/turn",
		"warehouse/profile warehouse/object warehouse/flame",
		"warehouse/block",
		"warehouse/segment warehouse/cache",
		"warehouse/scrub",
	},
	"sql": {
		"sql/engine sql/lex",
		"sql/confined",
		"sql/plan sql/macro sql/catalog",
		"sql/worker sql/query",
		"sql/statement",
		"sql/sqltest",
	},
}

// fences keep a foreign module within the folders that know it. Tests and test
// packages may look over every fence.
var fences = []struct{ module, only, why string }{
	{"github.com/duckdb", "sql/engine", "one place knows connections, budgets and cancellation"},
	{"github.com/hashicorp/raft", "metastore", "the state machine stays testable without it"},
	{"github.com/hashicorp/raft-wal", "metastore", "as raft"},
	{"go.etcd.io/bbolt", "metastore", "as raft"},
	{"github.com/thanos-io/objstore", "warehouse/object", "the rest sees our narrow view of a bucket"},
	{"github.com/parquet-go/parquet-go", "warehouse/block warehouse/segment", "a format stays in its packages"},
	{"github.com/apache/arrow-go", "warehouse/block warehouse/segment ingest compactor sql pgwire", "columns stay between ingest, formats and sql"},
	{"github.com/jackc/pgx", "pgwire", "protocol types are edge types"},
	{"github.com/grafana/pyroscope/api", "api ingest/decode", "wire types stop at the endpoint"},
	{"github.com/grafana/pyroscope-go", "cmd api", "only the process profiles itself"},
	{"github.com/alecthomas/kong", "cmd", "libraries take Options"},
	{"go.yaml.in/yaml", "cmd", "libraries take Options"},
	{"flag", "cmd", "libraries take Options"},
	{"testing", "", "test support lives in packages whose name ends in test"},
	{"github.com/stretchr/testify", "", "as testing"},
	{"log", "metastore", "events go to the injected slog.Logger; raft's own interface names log"},
	{"io/ioutil", "", "io and os have it"},
	{"github.com/pkg/errors", "", "errors and fmt.Errorf have it"},
	{"gocloud.dev", "", "hundreds of packages for what warehouse/object does"},
	{"github.com/grafana/pyroscope/pkg", "", "it is AGPL; only its api module may be imported"},
}

// pkg is what `go list -json` says about a package, as far as it is used here.
type pkg struct {
	ImportPath   string
	Name         string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Module       *struct{ Path string }

	rel string // path within the module, "" for the root
}

// top returns the top-level folder.
func (p pkg) top() string { t, _, _ := strings.Cut(p.rel, "/"); return t }

// isTest reports whether a package exists for tests only.
func (p pkg) isTest() bool { return strings.HasSuffix(path.Base(p.rel), "test") }

func goList(t *testing.T, args ...string) []pkg {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json"}, args...)...)
	cmd.Env = append(os.Environ(), "GOFLAGS=-tags=duckdb_arrow -buildvcs=false")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := d.Decode(&p)
		if err == io.EOF {
			return pkgs
		}
		require.NoError(t, err)
		p.rel = strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		pkgs = append(pkgs, p)
	}
}

// within reports whether an import path is one of the space-separated roots or
// below it.
func within(importPath, roots string) bool {
	for root := range strings.FieldsSeq(roots) {
		if importPath == root || strings.HasPrefix(importPath, root+"/") {
			return true
		}
	}
	return false
}

// ours returns the path within the module of an import, if it is ours.
func ours(importPath string) (rel string, ok bool) {
	return strings.CutPrefix(importPath, module+"/")
}

func TestImportPolicy(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "./...") {
		if p.rel == "" {
			require.Empty(t, p.Imports, "the root package holds no code")
			continue
		}
		allowed, known := imports[p.top()]
		require.True(t, known, "%s: top-level folders are fixed (docs/adr/0001)", p.rel)
		for _, imp := range p.Imports {
			rel, ok := ours(imp)
			if !ok || p.isTest() {
				continue
			}
			if !within(rel, p.top()) && !within(rel, allowed) {
				t.Errorf("%s imports %s: folder %s may import only %q", p.rel, rel, p.top(), allowed)
			}
			if strings.HasSuffix(rel, "test") {
				t.Errorf("%s imports %s: production code does not import test packages", p.rel, rel)
			}
		}
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	level := map[string]int{}
	for _, lines := range layers {
		for i, line := range lines {
			for rel := range strings.FieldsSeq(line) {
				level[rel] = i
			}
		}
	}
	for _, p := range goList(t, "./...") {
		if _, ordered := layers[p.top()]; !ordered || p.isTest() {
			continue
		}
		own, ok := level[p.rel]
		if !ok {
			t.Errorf("%s: say in layers what it may import", p.rel)
			continue
		}
		for _, imp := range p.Imports {
			rel, _ := ours(imp)
			if l, same := level[rel]; same && within(rel, p.top()) && l >= own {
				t.Errorf("%s imports %s, which is not below it", p.rel, rel)
			}
		}
	}
}

func TestFences(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "./...") {
		if p.rel == "" || p.isTest() {
			continue
		}
		for _, imp := range p.Imports {
			for _, f := range fences {
				// raft and raft-wal, pyroscope and pyroscope-go: whole elements only,
				// but "log" is the package alone, not log/slog.
				hit := within(imp, f.module) && (imp == f.module || strings.Contains(f.module, "."))
				if hit && !within(p.rel, f.only) {
					t.Errorf("%s imports %s: only %q may (%s)", p.rel, imp, f.only, f.why)
				}
			}
		}
	}
}

// shadowing names would force every importer to rename one of two packages.
func TestPackageNames(t *testing.T) {
	t.Parallel()
	std := map[string]bool{}
	for _, p := range goList(t, "std") {
		if !strings.Contains(p.ImportPath, "internal") && !strings.HasPrefix(p.ImportPath, "vendor/") {
			std[path.Base(p.ImportPath)] = true
		}
	}
	for _, p := range goList(t, "./...") {
		if p.Name == "main" || strings.Contains(p.rel, "/gen") {
			continue
		}
		if std[p.Name] {
			t.Errorf("%s: package %s has the name of a package of the standard library", p.rel, p.Name)
		}
		if slices.Contains([]string{"util", "utils", "common", "helpers", "model", "misc", "base"}, p.Name) {
			t.Errorf("%s: package %s names no idea", p.rel, p.Name)
		}
		if p.rel != "" && p.Name != path.Base(p.rel) {
			t.Errorf("%s: package %s is not called like its folder", p.rel, p.Name)
		}
	}
}

func TestPackageComments(t *testing.T) {
	t.Parallel()
	for _, p := range goList(t, "./...") {
		switch {
		case strings.Contains(p.rel, "/gen"):
		case p.Name == "main" && !strings.HasPrefix(p.Doc, "Command "+path.Base(p.rel)+" "):
			t.Errorf("%s: the comment of a command starts with \"Command %s \"", p.rel, path.Base(p.rel))
		case p.Name != "main" && !strings.HasPrefix(p.Doc, "Package "+p.Name+" "):
			t.Errorf("%s: want a package comment that starts with \"Package %s \"", p.rel, p.Name)
		}
	}
}

// TestDocLinks: every relative link and every `path` in the documentation that
// looks like one of the repository leads somewhere.
func TestDocLinks(t *testing.T) {
	t.Parallel()
	links := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, file := range docFiles(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range links.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(path.Join(path.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, m[1])
			}
		}
	}
}

// TestDocPaths: Go files that the documentation names exist, so that the maps
// of the code stay true.
func TestDocPaths(t *testing.T) {
	t.Parallel()
	paths := regexp.MustCompile("`((?:warehouse|ingest|metastore|compactor|sql|pgwire|api|cmd|docs|testdata|deploy|web)/[A-Za-z0-9_./-]*)`")
	for _, file := range docFiles(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range paths.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s, which does not exist", file, m[1])
			}
		}
	}
}

// docFiles returns the documentation whose links and paths must hold. The
// changelog may name what is gone.
func docFiles(t *testing.T) []string {
	t.Helper()
	files := []string{"README.md", "docs/ARCHITECTURE.md", "docs/GLOSSARY.md", "docs/FORMAT.md", "docs/benchmarks.md", "docs/robustness.md", "docs/operate.md"}
	entries, err := os.ReadDir("docs/adr")
	require.NoError(t, err)
	for _, e := range entries {
		files = append(files, "docs/adr/"+e.Name())
	}
	return files
}

// TestNotice: NOTICE names every module that is linked into the program.
func TestNotice(t *testing.T) {
	t.Parallel()
	notice, err := os.ReadFile("NOTICE")
	require.NoError(t, err)
	seen := map[string]bool{module: true}
	for _, p := range goList(t, "-deps", "./cmd/stackhouse") {
		if p.Module == nil || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		if !strings.Contains(string(notice), "\n"+p.Module.Path+" ") {
			t.Errorf("NOTICE does not name %s, which is linked into the program", p.Module.Path)
		}
	}
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		return // each platform links its own few modules; NOTICE is written on this one
	}
	for line := range strings.Lines(string(notice)) {
		name, _, found := strings.Cut(line, " ")
		if found && regexp.MustCompile(`^[a-z0-9.-]+\.[a-z]+/[^ ]+$`).MatchString(name) && !seen[name] {
			t.Errorf("NOTICE names %s, which is not linked into the program", name)
		}
	}
}
