"""What the outside may see and do: views (structs that leave the process), queries and commands. HTTP and CLI use only this."""
