// Sends the bytes of standard input as one gRPC message, and writes the answer's:
//
//   grpc_asker HOST:PORT /package.Service/Method [NAME VALUE]...    metadata
//
// Ends with gRPC's code, and the text of a refusal on standard error.

#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>

int main(int count, char** words) {
  if (count < 3 || count % 2 == 0) {
    std::cerr << "usage: grpc_asker HOST:PORT METHOD [NAME VALUE]...\n";
    return 2;
  }
  const std::string bytes{std::istreambuf_iterator<char>(std::cin), {}};
  const grpc::Slice slice(bytes);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::GenericStub stub(grpc::CreateChannel(words[1], grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  for (int i = 3; i + 1 < count; i += 2) {
    context.AddMetadata(words[i], words[i + 1]);
  }
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, words[2], request, &queue);
  grpc::ByteBuffer response;
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  call->StartCall();
  call->Finish(&response, &status, &tag);
  queue.Next(&tag, &ok);
  if (!status.ok()) {
    std::cerr << status.error_message() << "\n";
    return status.error_code();
  }
  std::vector<grpc::Slice> slices;
  if (response.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices) {
      std::cout.write(reinterpret_cast<const char*>(part.begin()),
                      static_cast<std::streamsize>(part.size()));
    }
  }
  return 0;
}
