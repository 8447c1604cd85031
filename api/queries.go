package api

// queries are the methods of querier.v1.QuerierService, one file each.
type queries struct {
	Querier
}
