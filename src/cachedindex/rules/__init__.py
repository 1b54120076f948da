"""What is decided, without a clock, a file or a socket: plain values in, plain values out."""
