"""A 60-byte JSON route with everything on, against nginx `return 200` and Fastify: requests per CPU-second of the server."""

import argparse
import pathlib
import tempfile

from measure import Server, app, fastify, free_port, interleaved, needs, ratio

NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 127.0.0.1:{port};
    location /hello {{
      default_type application/json;
      return 200 '{{"message":"Hello, World! This is a response of 60 bytes."}}';
    }}
  }}
}}
"""


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--seconds", type=int, default=3)
    args = options.parse_args()
    needs("wrk", "nginx", "node")
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        config = pathlib.Path(folder, "nginx.conf")
        config.write_text(NGINX.format(folder=folder, port=port))
        nginx = Server("nginx", ["nginx", "-e", f"{folder}/error.log", "-c", config], port)
        with nginx, app(folder) as ours, fastify() as node:
            print("http: GET /hello, 64 connections, one core for the server, one for the client")
            figures = interleaved([ours, nginx, node], args.rounds, args.seconds, path="/hello", connections=64,
                                  pattern="Hello, World! This is a response of 60 bytes")
            ratio(figures, "loadstone", "nginx", "0.75, aim 0.9")
            ratio(figures, "loadstone", "fastify", "1.6")


if __name__ == "__main__":
    main()
