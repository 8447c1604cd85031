package object

import (
	"strings"
	"unicode/utf8"

	"github.com/stackhouse-db/stackhouse/warehouse"
)

// Limits of names: those of S3 keys and of file systems' file names.
const (
	maxNameBytes   = 1024
	maxFolderBytes = 255
)

// tempFolder is where the file system bucket writes objects before they get
// their names. No object's name may begin with it, in any bucket.
const tempFolder = ".tmp"

// checkName returns an Invalid error unless name may name an object: 1 to 1024
// bytes of UTF-8 without control characters and backslashes, in elements of 1 to
// 255 bytes that are not "." or "..", separated by single slashes.
func checkName(verb, name string) error {
	if reason := nameFault(name); reason != "" {
		return warehouse.Errorf(warehouse.Invalid, "%s object %.100q: %s", verb, name, reason)
	}
	return nil
}

// folderOf returns prefix as a folder: "" or a name with a final slash.
func folderOf(prefix string) (string, error) {
	name := strings.TrimSuffix(prefix, "/")
	if prefix == "" {
		return "", nil
	}
	if err := checkName("list", name); err != nil {
		return "", err
	}
	return name + "/", nil
}

func nameFault(name string) string {
	switch {
	case name == "":
		return "name is empty"
	case len(name) > maxNameBytes:
		return "name is longer than 1024 bytes"
	case !utf8.ValidString(name):
		return "name is not UTF-8"
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c == 0x7f || c == '\\' {
			return "name has a control character or a backslash"
		}
	}
	first := true
	for element := range strings.SplitSeq(name, "/") {
		switch {
		case element == "":
			return "name has an empty element: a slash at an end or two in a row"
		case element == "." || element == "..":
			return "name has the element " + element
		case len(element) > maxFolderBytes:
			return "name has an element of more than 255 bytes"
		case first && element == tempFolder:
			return "names under " + tempFolder + " are reserved"
		}
		first = false
	}
	return ""
}
