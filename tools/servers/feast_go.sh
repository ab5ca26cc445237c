#!/usr/bin/env bash
# Feast's server in Go 0.66.0, the newest that its own Go module has: built from the module, with the sources that
# its build makes from its protocol files.
#
#   tools/servers/feast_go.sh install       prints the program
#   tools/servers/feast_go.sh run WORD...   runs it
NAME=feast_go
. "$(dirname "$0")/cache.sh"
MODULE=github.com/feast-dev/feast
VERSION=v0.66.0
SUM=h1:ERTPbkIzh3RnsEOJ/vN6FrYgJ5cSpkP0X9xIcjt+XDA=  # as the checksum database of Go's modules has it

build() {
  local word said folder
  for word in go:golang protoc:protobuf-compiler; do
    command -v "${word%%:*}" >/dev/null || die "needs ${word%%:*}; try: apt-get install ${word##*:}"
  done
  said=$(cd "$1" && go mod download -json "$MODULE@$VERSION")
  grep -q "\"Sum\": \"$SUM\"" <<<"$said" || die "the module differs from the one that is pinned"
  folder=$(sed -n 's/.*"Dir": "\(.*\)".*/\1/p' <<<"$said")
  cp -r "$folder" "$1/source"
  chmod -R u+w "$1/source"
  GOBIN=$1/bin go install google.golang.org/protobuf/cmd/protoc-gen-go@v1.31.0
  GOBIN=$1/bin go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.3.0
  mkdir "$1/source/go/protos"
  for word in core registry serving types storage; do
    PATH=$1/bin:$PATH protoc "--proto_path=$1/source/protos" \
      "--go_out=$1/source/go/protos" "--go_opt=module=$MODULE/go/protos" \
      "--go-grpc_out=$1/source/go/protos" "--go-grpc_opt=module=$MODULE/go/protos" "$1/source/protos/feast/$word/"*.proto
  done
  (cd "$1/source" && go build -o "$1/feast-go" ./go/main.go)
  rm -rf "$1/source" "$1/bin"
}

installed feast-go-0.66.0 build
case ${1-} in
  install) echo "$HOME_DIR/feast-go" ;;
  run) shift; exec "$HOME_DIR/feast-go" "$@" ;;
  *) say "usage: feast_go.sh install | run WORD..."; exit 2 ;;
esac
