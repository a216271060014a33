# Elixir's GenServer and Supervisor, on one scheduler: elixir --erl "+S 1:1" peer.exs SCALE ROW ...
# Prints the same JSON lines as the other scripts.
Logger.configure(level: :none)
Process.flag(:trap_exit, true)

defmodule Plain do
  use GenServer
  def start_link(name), do: GenServer.start_link(Plain, nil, name: name)
  def init(_), do: {:ok, nil}
  def handle_call(:ask, _, state), do: {:reply, 1, state}
  def handle_call({:next, to, main}, _, _), do: {:reply, :ok, {to, main}}
  def handle_cast(1, state), do: {:noreply, state}
  def handle_cast({:token, 0}, {_, main} = state), do: (send(main, :done); {:noreply, state})
  def handle_cast({:token, left}, {to, _} = state), do: (GenServer.cast(to, {:token, left - 1}); {:noreply, state})
  def handle_cast({:tell, main}, state), do: (send(main, :done); {:noreply, state})
  def handle_cast(:busy, state), do: (busy(System.monotonic_time(:nanosecond) + 20_000); {:noreply, state})
  def handle_cast(:crash, _), do: raise("boom")
  defp busy(until), do: if(System.monotonic_time(:nanosecond) < until, do: busy(until), else: :ok)
end

defmodule Peer do
  def row("call", scale), do: with_one(fn pid -> each(scaled(200_000, scale), fn -> GenServer.call(pid, :ask) end) end)
  def row("call_100", scale), do: with_one(fn pid -> clients(pid, 100, scaled(100_000, scale)) end)
  def row("cast", scale), do: with_one(fn pid -> casts(pid, div(scaled(300_000, scale), 1000)) end)
  def row("ring", scale), do: ring(1000, scaled(500_000, scale))
  def row("spawn_stop", scale), do: each(scaled(20_000, scale), fn -> GenServer.stop(start(), :shutdown) end)
  def row("idle_bytes", _), do: idle_bytes(100_000)
  def row("restart", scale), do: percentiles("restart", Enum.flat_map(1..max(1, div(scaled(3_000, scale), 100)), fn _ -> restarts() end))
  def row("flood", scale), do: flood(scaled(5_000, scale))
  def row(_, _), do: []

  def print(row, value) when is_number(value), do: IO.puts(~s({"row": "#{row}", "value": #{value / 1}}))
  def print(_, figures), do: Enum.each(figures, fn {name, value} -> print(name, value) end)

  defp scaled(count, scale), do: max(1000, trunc(count * scale))
  defp now, do: System.monotonic_time(:nanosecond)
  defp since(start, count), do: (now() - start) / count / 1.0e9
  defp start, do: elem(GenServer.start(Plain, nil), 1)

  defp with_one(work) do
    pid = start()
    value = work.(pid)
    GenServer.stop(pid)
    value
  end

  defp each(count, work) do
    start = now()
    repeat(count, work)
    since(start, count)
  end

  defp repeat(0, _), do: :ok
  defp repeat(n, work), do: (work.(); repeat(n - 1, work))

  defp clients(pid, clients, count) do
    {main, each, start} = {self(), div(count, clients), now()}
    work = fn -> repeat(each, fn -> GenServer.call(pid, :ask) end); send(main, :done) end
    for _ <- 1..clients, do: spawn(work)
    for _ <- 1..clients, do: receive(do: (:done -> :ok))
    since(start, each * clients)
  end

  defp casts(pid, bursts) do
    start = now()
    repeat(bursts, fn -> repeat(1000, fn -> GenServer.cast(pid, 1) end); GenServer.call(pid, :ask) end)
    since(start, bursts * 1000)
  end

  defp ring(size, hops) do
    pids = for _ <- 1..size, do: start()
    for {pid, to} <- Enum.zip(pids, tl(pids) ++ [hd(pids)]), do: GenServer.call(pid, {:next, to, self()})
    start = now()
    GenServer.cast(hd(pids), {:token, hops})
    receive(do: (:done -> :ok))
    value = since(start, hops)
    Enum.each(pids, &GenServer.stop/1)
    value
  end

  defp idle_bytes(count) do
    :erlang.garbage_collect()
    before = :erlang.memory(:total)
    pids = for _ <- 1..count, do: start()
    Enum.each(pids, &GenServer.call(&1, :ask))
    :erlang.garbage_collect()
    (:erlang.memory(:total) - before) / count
  end

  defp restarts do
    child = %{id: :fragile, start: {Plain, :start_link, [:fragile]}}
    {:ok, sup} = Supervisor.start_link([child], strategy: :one_for_one, max_restarts: 1000, max_seconds: 1)
    found = for _ <- 1..100, do: restart()
    Supervisor.stop(sup, :shutdown)
    found
  end

  defp restart do
    start = now()
    GenServer.cast(:fragile, :crash)
    answer()
    since(start, 1)
  end

  defp answer do
    try do
      GenServer.call(:fragile, :ask)
    catch
      :exit, _ -> (:erlang.yield(); answer())
    end
  end

  defp flood(count) do
    {flooded, answering} = {start(), start()}
    repeat(count, fn -> GenServer.cast(flooded, :busy) end)
    GenServer.cast(flooded, {:tell, self()})
    percentiles("flood", calls(answering, []))
  end

  defp calls(pid, found) do
    receive do
      :done -> found
    after
      0 ->
        start = now()
        GenServer.call(pid, :ask)
        calls(pid, [since(start, 1) | found])
    end
  end

  defp percentiles(name, found) do
    sorted = Enum.sort(found)
    at = fn share -> Enum.at(sorted, min(trunc(length(sorted) * share), length(sorted) - 1)) end
    [{name <> "_p50", at.(0.5)}, {name <> "_p99", at.(0.99)}]
  end
end

[scale | rows] = System.argv()
{scale, _} = Float.parse(scale)
Enum.each(rows, fn row -> Peer.print(row, Peer.row(row, scale)) end)
