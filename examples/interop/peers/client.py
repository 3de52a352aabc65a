"""A client of stock gRPC for Python. It reads calls from standard input and writes what it read
out of their errors to standard output, both as JSON.

    client.py <address> < calls.json

It decodes what crosses the wire by google.rpc's messages and, with the module that protoc made of
the published proto, by yuanrong.errors.v1.ErrorInfo.
"""

import asyncio
import json
import sys
import time

import grpc
from google.rpc import error_details_pb2

from errordetail import describe, detail
from statusmap.examples.fault.v1 import fault_pb2
from yuanrong.errors.v1 import error_info_pb2, retry_pb2

# What gRPC itself does about errors. The backoff is so short that a longer wait is the server's.
SERVICE_CONFIG = json.dumps({
    "methodConfig": [{
        "name": [{"service": "statusmap.examples.fault.v1.FaultService"}],
        "retryPolicy": {
            "maxAttempts": 4,
            "initialBackoff": "0.001s",
            "maxBackoff": "0.002s",
            "backoffMultiplier": 1,
            "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"],
        },
    }],
})


def read(error):
    """Returns what a client can tell about a failed call."""
    result = {"grpc_code": error.code().name, "message": error.details(), "text": describe(error)}
    info = detail(error, error_details_pb2.ErrorInfo())
    if info is not None:
        result.update(reason=info.reason, domain=info.domain, metadata=dict(info.metadata))
    retry = detail(error, error_details_pb2.RetryInfo())
    if retry is not None:
        result["retry_info_ms"] = retry.retry_delay.ToMilliseconds()
    own = detail(error, error_info_pb2.ErrorInfo())
    if own is not None:
        result["own"] = {
            "domain": own.domain,
            "number": own.number,
            "class": retry_pb2.RetryClass.Name(getattr(own.retry, "class")),
            "delay_ms": own.retry.delay_ms,
            "request_id": own.request_id,
        }
    return result


def send(unary, call):
    """Makes a call and returns what came of it."""
    fault = fault_pb2.Fault(domain=call["domain"], number=call["number"])
    headers = tuple(call.get("headers", {}).items())
    start = time.monotonic()
    try:
        _, ended = unary.with_call(fault_pb2.UnaryRequest(fault=fault), timeout=30, metadata=headers)
        result = {"grpc_code": "OK"}
    except grpc.RpcError as error:
        ended, result = error, read(error)
    result["elapsed_ms"] = (time.monotonic() - start) * 1000
    result["attempts"] = int(dict(ended.trailing_metadata())["interop-attempt"])
    return result


async def send_async(address, call):
    """Makes a call by gRPC's other API for Python and returns what came of it."""
    fault = fault_pb2.Fault(domain=call["domain"], number=call["number"])
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            await method(channel)(fault_pb2.UnaryRequest(fault=fault), timeout=30)
            return {"grpc_code": "OK"}
        except grpc.RpcError as error:
            return read(error)


def method(channel):
    """Returns the method of a connection."""
    return channel.unary_unary(
        "/statusmap.examples.fault.v1.FaultService/Unary",
        request_serializer=fault_pb2.UnaryRequest.SerializeToString,
        response_deserializer=fault_pb2.UnaryResponse.FromString,
    )


def main():
    address = sys.argv[1]
    plain = method(grpc.insecure_channel(address, [("grpc.enable_retries", 0)]))
    retrying = method(grpc.insecure_channel(address, [("grpc.service_config", SERVICE_CONFIG)]))
    results = []
    for call in json.load(sys.stdin):
        if call.get("async"):
            results.append(asyncio.run(send_async(address, call)))
        else:
            results.append(send(retrying if call.get("retries") else plain, call))
    json.dump(results, sys.stdout)


main()
