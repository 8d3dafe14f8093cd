package api

import (
	"strings"

	"github.com/danielgtaylor/huma/v2/validation"
)

// plainWords replaces messages of huma that name standards, such as RFC 3339, by plain ones.
func plainWords() {
	validation.MsgUnexpectedProperty = "is not a field of this"
	validation.MsgExpectedRFC3339DateTime = "must be an instant like 2026-11-30T08:00:00Z"
	validation.MsgExpectedRFC3339Date = "must be a date like 2026-11-30"
	validation.MsgExpectedRFC3339Time = "must be a time like 08:00:00"
	validation.MsgExpectedRFC4122UUID = "must be a UUID: %v"
	validation.MsgExpectedRFC3986URI = "must be an address: %v"
	validation.MsgExpectedBoolean = "must be true or false"
	validation.MsgExpectedNumber = "must be a number"
	validation.MsgExpectedInteger = "must be a whole number"
	validation.MsgExpectedString = "must be a text"
	validation.MsgExpectedArray = "must be a list"
	validation.MsgExpectedObject = "must be an object"
	validation.MsgExpectedArrayItemsUnique = "names something twice"
	validation.MsgExpectedOneOf = "must be one of %s"
	validation.MsgExpectedMinimumNumber = "must be at least %v"
	validation.MsgExpectedExclusiveMinimumNumber = "must be more than %v"
	validation.MsgExpectedMaximumNumber = "must be at most %v"
	validation.MsgExpectedExclusiveMaximumNumber = "must be less than %v"
	validation.MsgExpectedMinLength = "must have at least %d characters"
	validation.MsgExpectedMaxLength = "must have at most %d characters"
	validation.MsgExpectedMinItems = "must have at least %d entries"
	validation.MsgExpectedMaxItems = "must have at most %d entries"
}

// plain says in words what huma says of a parameter that it cannot read.
func plain(message string) string {
	switch {
	case strings.HasPrefix(message, "invalid date/time for format"):
		return validation.MsgExpectedRFC3339DateTime
	case message == "invalid integer":
		return validation.MsgExpectedInteger
	case message == "invalid float":
		return validation.MsgExpectedNumber
	case message == "invalid boolean":
		return validation.MsgExpectedBoolean
	}
	return message
}
