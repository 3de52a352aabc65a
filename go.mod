module github.com/openyuanrong/statusmap

go 1.24.0

require (
	github.com/google/go-cmp v0.6.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240814211410-ddb44dafa142
	google.golang.org/grpc v1.67.0
	google.golang.org/protobuf v1.36.6
)

require (
	golang.org/x/net v0.28.0 // indirect
	golang.org/x/sys v0.24.0 // indirect
	golang.org/x/text v0.17.0 // indirect
)
