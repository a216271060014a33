"""The world outside, one adapter for each port: files, clocks, the disk, child processes, the Claude Code CLI, webhooks. They do not know one another."""
