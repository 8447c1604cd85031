// Package statement answers SQL that a user wrote.
package statement
