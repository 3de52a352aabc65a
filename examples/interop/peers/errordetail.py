import grpc
from google.rpc import error_details_pb2, status_pb2  # of googleapis-common-protos


def detail(error: grpc.RpcError, message):
    """Fills in message from the detail of its type and returns it, None if there is none."""
    trailers = {k: v for k, v in error.trailing_metadata() or ()}
    status = status_pb2.Status.FromString(trailers.get("grpc-status-details-bin", b""))
    return message if any(d.Unpack(message) for d in status.details) else None


def describe(error: grpc.RpcError) -> str:
    text = f"{error.code().name}: {error.details()}"
    info = detail(error, error_details_pb2.ErrorInfo())
    if info is not None:
        text += f" ({info.domain} {info.reason} {dict(sorted(info.metadata.items()))})"
    retry = detail(error, error_details_pb2.RetryInfo())
    if retry is not None:  # this very call may be repeated
        text += f", again after {retry.retry_delay.ToTimedelta().total_seconds()} s"
    return text
