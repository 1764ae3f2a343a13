module loop

go 1.24

require github.com/strobemq/strobe/functions-sdk/golang v0.0.0

replace github.com/strobemq/strobe/functions-sdk/golang => ../../../functions-sdk/golang
