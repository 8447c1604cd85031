package api

import (
	"encoding/json"
	"net/http"
	"runtime"
)

// buildInfo answers in the reference's form.
func (s *Server) buildInfo(x *exchange, _ *http.Request) error {
	type data struct {
		Version   string `json:"version"`
		Revision  string `json:"revision"`
		Branch    string `json:"branch"`
		BuildUser string `json:"buildUser"`
		BuildDate string `json:"buildDate"`
		GoVersion string `json:"goVersion"`
	}
	info := s.info()
	x.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(x).Encode(struct {
		Status string `json:"status"`
		Data   data   `json:"data"`
	}{"success", data{
		Version: info.Version, Revision: info.Revision, BuildDate: info.BuiltAt, GoVersion: runtime.Version(),
	}})
}
