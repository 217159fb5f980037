# syntax=docker/dockerfile:1
# The server in a container. Data (back it up) and state (do not restore it with the data) are two volumes on purpose.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY src src
COPY benches benches
COPY tests tests
COPY templates templates
COPY static static
COPY migrations migrations
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin andon && install -D -s target/release/andon /out/usr/local/bin/andon
# Folders that the nobody of the last stage may write; it has no shell to make them.
RUN install -d -m 0700 -o 65532 -g 65532 /out/data /out/state

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /out/ /
USER 65532:65532
ENV ANDON_DATA=/data ANDON_STATE_DIR=/state ANDON_LISTEN=0.0.0.0:8787
VOLUME ["/data", "/state"]
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=5s --retries=3 CMD ["/usr/local/bin/andon", "health"]
ENTRYPOINT ["/usr/local/bin/andon"]
CMD ["serve"]
