"""A client of stock gRPC for Python. It reads calls from standard input and writes what it read
out of their errors to standard output, both as JSON.

    client.py <address> <google.rpc descriptors> < calls.json

It decodes what crosses the wire by google.rpc's messages and, with the module that protoc made of
the published proto, by yuanrong.errors.v1.ErrorInfo.
"""

import json
import sys

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from statusmap.examples.fault.v1 import fault_pb2
from yuanrong.errors.v1 import error_info_pb2, retry_pb2


def google_rpc(path):
    """Returns a function that finds google.rpc's messages in a file of descriptors."""
    files = descriptor_pb2.FileDescriptorSet()
    with open(path, "rb") as f:
        files.ParseFromString(f.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return lambda name: factory.GetPrototype(pool.FindMessageTypeByName("google.rpc." + name))


def read(error, rpc):
    """Returns what a client can tell about a failed call."""
    result = {"grpc_code": error.code().name, "message": error.details()}
    for key, value in error.trailing_metadata():
        if key != "grpc-status-details-bin":
            continue
        status = rpc("Status")()
        status.ParseFromString(value)
        for detail in status.details:
            name = detail.type_url.rsplit("/", 1)[-1]
            if name == "google.rpc.ErrorInfo":
                info = rpc("ErrorInfo")()
                info.ParseFromString(detail.value)
                result.update(reason=info.reason, domain=info.domain, metadata=dict(info.metadata))
            elif name == "google.rpc.RetryInfo":
                info = rpc("RetryInfo")()
                info.ParseFromString(detail.value)
                result["retry_info_ms"] = info.retry_delay.seconds * 1000 + info.retry_delay.nanos // 1000000
            elif name == "yuanrong.errors.v1.ErrorInfo":
                info = error_info_pb2.ErrorInfo()
                info.ParseFromString(detail.value)
                result["own"] = {
                    "domain": info.domain,
                    "number": info.number,
                    "class": retry_pb2.RetryClass.Name(getattr(info.retry, "class")),
                    "delay_ms": info.retry.delay_ms,
                }
    return result


def main():
    address, descriptors = sys.argv[1:]
    rpc = google_rpc(descriptors)
    results = []
    with grpc.insecure_channel(address) as channel:
        unary = channel.unary_unary(
            "/statusmap.examples.fault.v1.FaultService/Unary",
            request_serializer=fault_pb2.UnaryRequest.SerializeToString,
            response_deserializer=fault_pb2.UnaryResponse.FromString,
        )
        for call in json.load(sys.stdin):
            fault = fault_pb2.Fault(domain=call["domain"], number=call["number"])
            try:
                unary(fault_pb2.UnaryRequest(fault=fault), timeout=30)
                results.append({"grpc_code": "OK"})
            except grpc.RpcError as error:
                results.append(read(error, rpc))
    json.dump(results, sys.stdout)


main()
