module github.com/openyuanrong/statusmap/examples/localized

go 1.26.0

require (
	github.com/openyuanrong/statusmap v0.0.0
	google.golang.org/genproto/googleapis/rpc v0.0.0-20240814211410-ddb44dafa142
	google.golang.org/grpc v1.67.0
)

require (
	golang.org/x/net v0.28.0 // indirect
	golang.org/x/sys v0.24.0 // indirect
	golang.org/x/text v0.43.0
	google.golang.org/protobuf v1.36.6 // indirect
)

replace github.com/openyuanrong/statusmap => ../..
