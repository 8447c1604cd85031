package sqltest

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

// Kind is a way to ask.
type Kind string

// The kinds of questions.
const (
	SQL     Kind = "sql"     // one statement
	Explain Kind = "explain" // what one statement would read; see [Target]
	API     Kind = "api"     // a call of the profiling API; see [Target]
)

// Question is a question and its answer.
type Question struct {
	Kind Kind
	Text string
	Args []string // of the parameters $1, $2, … of a statement, as text
	Zone string   // the session's time zone
	Want string   // see [Answer.String]

	want int // section of the answer
}

// Script is a parsed script.
type Script struct {
	Profiles  []Profile
	Questions []Question

	archive  *txtar.Archive
	sections int    // of profiles
	zone     string // of the questions that follow
}

// Parse reads a script. Errors name the section.
func Parse(data []byte) (*Script, error) {
	s := &Script{archive: txtar.Parse(data), zone: "UTC"}
	for i, f := range s.archive.Files {
		if err := s.add(i, f); err != nil {
			return nil, fmt.Errorf("section %d, %s: %w", i+1, f.Name, err)
		}
	}
	for i := range s.Questions {
		if s.Questions[i].want < 0 {
			return nil, fmt.Errorf("question %d has no answer: add a section want, which may be empty with -update", i+1)
		}
	}
	if len(s.Questions) == 0 {
		return nil, fmt.Errorf("no questions")
	}
	return s, nil
}

func (s *Script) add(i int, f txtar.File) error {
	name, rest, _ := strings.Cut(f.Name, " ")
	switch name {
	case "profiles":
		profiles, err := parseProfiles(string(f.Data))
		for i := range profiles {
			profiles[i].Section = s.sections
		}
		s.sections++
		s.Profiles = append(s.Profiles, profiles...)
		return err
	case "timezone":
		s.zone = rest
		_, err := time.LoadLocation(rest)
		return err
	case string(SQL), string(Explain), string(API):
		q := Question{Kind: Kind(name), Text: strings.TrimSpace(string(f.Data)), Zone: s.zone, want: -1}
		if rest != "" {
			q.Args = strings.Split(rest, "|")
			for i := range q.Args {
				q.Args[i] = strings.TrimSpace(q.Args[i])
			}
		}
		s.Questions = append(s.Questions, q)
	case "want":
		n := len(s.Questions) - 1
		if n < 0 || s.Questions[n].want >= 0 {
			return fmt.Errorf("an answer without a question")
		}
		s.Questions[n].Want, s.Questions[n].want = string(f.Data), i
	default:
		return fmt.Errorf("unknown section")
	}
	return nil
}

// setWant replaces the answer of a question.
func (s *Script) setWant(question int, text string) {
	q := &s.Questions[question]
	q.Want = text
	s.archive.Files[q.want].Data = []byte(text)
}

// Format returns the script as text.
func (s *Script) Format() []byte { return txtar.Format(s.archive) }
