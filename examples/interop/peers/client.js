// A client of stock gRPC for Node. It reads calls from standard input and writes what it read out
// of their errors to standard output, both as JSON.
//
//   client.js <address> <google.rpc descriptors> <proto folder>... < calls.json

"use strict";

const fs = require("node:fs");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

const [address, descriptors, ...folders] = process.argv.slice(2);
const options = { keepCase: true, longs: Number, enums: String, defaults: true, includeDirs: folders };
const rpc = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(descriptors), options);
const ours = loader.loadSync(["statusmap/examples/fault/v1/fault.proto", "yuanrong/errors/v1/error_info.proto"], options);
const { FaultService } = grpc.loadPackageDefinition(ours).statusmap.examples.fault.v1;

// What grpc-js itself does about errors. The backoff is so short that a longer wait is the server's.
const serviceConfig = JSON.stringify({
  methodConfig: [{
    name: [{ service: "statusmap.examples.fault.v1.FaultService" }],
    retryPolicy: {
      maxAttempts: 4,
      initialBackoff: "0.001s",
      maxBackoff: "0.002s",
      backoffMultiplier: 1,
      retryableStatusCodes: ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"],
    },
  }],
});

function read(error) {
  const result = { grpc_code: grpc.status[error.code], message: error.details };
  for (const value of error.metadata.get("grpc-status-details-bin")) {
    for (const detail of rpc["google.rpc.Status"].deserialize(value).details) {
      switch (detail.type_url.split("/").pop()) {
        case "google.rpc.ErrorInfo": {
          const info = rpc["google.rpc.ErrorInfo"].deserialize(detail.value);
          // Read by a descriptor, a map is a list of its entries.
          const metadata = Object.fromEntries(info.metadata.map(({ key, value }) => [key, value]));
          Object.assign(result, { reason: info.reason, domain: info.domain, metadata });
          break;
        }
        case "google.rpc.RetryInfo": {
          const delay = rpc["google.rpc.RetryInfo"].deserialize(detail.value).retry_delay;
          result.retry_info_ms = delay.seconds * 1000 + delay.nanos / 1e6;
          break;
        }
        case "yuanrong.errors.v1.ErrorInfo": {
          const info = ours["yuanrong.errors.v1.ErrorInfo"].deserialize(detail.value);
          result.own = { domain: info.domain, number: info.number, class: info.retry.class, delay_ms: info.retry.delay_ms, request_id: info.request_id };
          break;
        }
      }
    }
  }
  return result;
}

function send(client, call) {
  const headers = new grpc.Metadata();
  for (const [key, value] of Object.entries(call.headers ?? {})) headers.set(key, value);
  const start = process.hrtime.bigint();
  return new Promise((resolve) => {
    let result = { grpc_code: "OK" };
    const request = { fault: { domain: call.domain, number: call.number } };
    client.Unary(request, headers, { deadline: Date.now() + 30000 }, (error) => {
      if (error) result = read(error);
    }).on("status", (status) => {
      result.attempts = Number(status.metadata.get("interop-attempt")[0]);
      result.elapsed_ms = Number(process.hrtime.bigint() - start) / 1e6;
      setImmediate(() => resolve(result)); // after the callback, whichever comes first
    });
  });
}

async function main() {
  const credentials = grpc.credentials.createInsecure();
  const clients = {
    plain: new FaultService(address, credentials, { "grpc.enable_retries": 0 }),
    retrying: new FaultService(address, credentials, { "grpc.service_config": serviceConfig }),
  };
  const results = [];
  for (const call of JSON.parse(fs.readFileSync(0, "utf8"))) {
    results.push(await send(call.retries ? clients.retrying : clients.plain, call));
  }
  Object.values(clients).forEach((client) => client.close());
  process.stdout.write(JSON.stringify(results));
}

main();
