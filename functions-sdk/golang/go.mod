module github.com/strobemq/strobe/functions-sdk/golang

go 1.24
