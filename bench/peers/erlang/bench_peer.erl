%% Erlang/OTP's own gen_server and supervisor, on one scheduler.
%%
%%     erl +S 1:1 -noshell -pa FOLDER -run bench_peer main SCALE ROW ...
%%
%% Prints the same JSON lines as the Python scripts.
-module(bench_peer).
-behaviour(gen_server).

-export([main/1, start_fragile/0]).
-export([init/1, handle_call/3, handle_cast/2]).

-define(BUSY_NS, 20000).
-define(FLOOD, 5000).
-define(RESTARTS_EACH, 100).

main([Scale | Rows]) ->
    logger:set_primary_config(level, none),
    process_flag(trap_exit, true),
    put(scale, number(Scale)),
    [print(Row, row(list_to_atom(Row))) || Row <- Rows],
    halt(0).

number(Text) -> try list_to_float(Text) catch error:badarg -> float(list_to_integer(Text)) end.

scaled(Count) -> scaled(Count, 20).
scaled(Count, Least) -> max(Least, trunc(Count * get(scale))).

print(_, none) -> ok;
print(_, Figures) when is_list(Figures) -> [print(Name, Value) || {Name, Value} <- Figures];
print(Row, Value) -> io:format("{\"row\": \"~s\", \"value\": ~w}~n", [Row, float(Value)]).

row(call) -> with(plain, fun(Pid) -> each(scaled(200000), fun() -> gen_server:call(Pid, ask) end) end);
row(call_100) -> with(plain, fun(Pid) -> clients(Pid, 100, scaled(100000, 100)) end);
row(cast) -> with(plain, fun(Pid) -> casts(Pid, scaled(300000, 1000) div 1000) end);
row(ring) -> ring(1000, scaled(500000));
row(spawn_stop) -> each(scaled(20000), fun spawn_and_stop/0);
row(idle_bytes) -> idle_bytes(100000);
row(restart) -> percentiles("restart", lists:append([restarts() || _ <- lists:seq(1, max(1, scaled(3000) div ?RESTARTS_EACH))]));
row(flood) -> flood(scaled(?FLOOD));
row(_) -> none.

with(What, Work) ->
    {ok, Pid} = gen_server:start(?MODULE, What, []),
    Value = Work(Pid),
    gen_server:stop(Pid),
    Value.

now_ns() -> erlang:monotonic_time(nanosecond).

since(Start, Count) -> (now_ns() - Start) / Count / 1.0e9.

each(Count, Work) -> Start = now_ns(), repeat(Count, Work), since(Start, Count).

repeat(0, _) -> ok;
repeat(N, Work) -> Work(), repeat(N - 1, Work).

clients(Pid, Clients, Count) ->
    Self = self(), Each = Count div Clients, Start = now_ns(),
    [spawn(fun() -> repeat(Each, fun() -> gen_server:call(Pid, ask) end), Self ! done end) || _ <- lists:seq(1, Clients)],
    [receive done -> ok end || _ <- lists:seq(1, Clients)],
    since(Start, Each * Clients).

%% In bursts of 1,000, each followed by a call that waits until it is worked off.
casts(Pid, Bursts) ->
    Start = now_ns(),
    repeat(Bursts, fun() -> repeat(1000, fun() -> gen_server:cast(Pid, 1) end), gen_server:call(Pid, ask) end),
    since(Start, Bursts * 1000).

ring(Size, Hops) ->
    Pids = [begin {ok, Pid} = gen_server:start(?MODULE, plain, []), Pid end || _ <- lists:seq(1, Size)],
    Next = tl(Pids) ++ [hd(Pids)],
    [gen_server:call(Pid, {next, To, self()}) || {Pid, To} <- lists:zip(Pids, Next)],
    Start = now_ns(),
    gen_server:cast(hd(Pids), {token, Hops}),
    receive done -> ok end,
    Value = since(Start, Hops),
    [gen_server:stop(Pid) || Pid <- Pids],
    Value.

spawn_and_stop() ->
    {ok, Pid} = gen_server:start(?MODULE, plain, []),
    gen_server:stop(Pid, shutdown, infinity).

idle_bytes(Count) ->
    erlang:garbage_collect(),
    Before = erlang:memory(total),
    Pids = [begin {ok, Pid} = gen_server:start(?MODULE, plain, []), Pid end || _ <- lists:seq(1, Count)],
    [gen_server:call(Pid, ask) || Pid <- Pids],
    erlang:garbage_collect(),
    (erlang:memory(total) - Before) / Count.

start_fragile() -> gen_server:start_link({local, fragile}, ?MODULE, plain, []).

%% A fresh supervisor for every hundred, lest its restart window grows beyond what anybody uses.
restarts() ->
    {ok, Sup} = supervisor:start_link(?MODULE, sup),
    Found = [restart() || _ <- lists:seq(1, ?RESTARTS_EACH)],
    gen_server:stop(Sup, shutdown, infinity),
    receive {'EXIT', Sup, _} -> ok after 0 -> ok end,
    Found.

restart() -> Start = now_ns(), gen_server:cast(fragile, crash), answer(), since(Start, 1).

answer() -> try gen_server:call(fragile, ask) catch exit:_ -> erlang:yield(), answer() end.

flood(Count) ->
    {ok, Flooded} = gen_server:start(?MODULE, plain, []),
    {ok, Answering} = gen_server:start(?MODULE, plain, []),
    repeat(Count, fun() -> gen_server:cast(Flooded, busy) end),
    gen_server:cast(Flooded, {tell, self()}),
    percentiles("flood", calls(Answering, [])).

calls(Pid, Found) ->
    receive done -> Found
    after 0 -> Start = now_ns(), gen_server:call(Pid, ask), calls(Pid, [since(Start, 1) | Found]) end.

percentiles(Name, Found) ->
    Sorted = lists:sort(Found), N = length(Sorted),
    [{Name ++ "_p50", lists:nth(N div 2 + 1, Sorted)}, {Name ++ "_p99", lists:nth(min(N * 99 div 100 + 1, N), Sorted)}].

init(plain) -> {ok, none};
init(sup) ->
    {ok, {#{strategy => one_for_one, intensity => 1000, period => 1},
          [#{id => fragile, start => {?MODULE, start_fragile, []}}]}}.

handle_call(ask, _, State) -> {reply, 1, State};
handle_call({next, To, Main}, _, _) -> {reply, ok, {To, Main}}.

handle_cast(1, State) -> {noreply, State};
handle_cast({token, 0}, {_, Main} = State) -> Main ! done, {noreply, State};
handle_cast({token, Left}, {To, _} = State) -> gen_server:cast(To, {token, Left - 1}), {noreply, State};
handle_cast(busy, State) -> busy(now_ns() + ?BUSY_NS), {noreply, State};
handle_cast({tell, Main}, State) -> Main ! done, {noreply, State};
handle_cast(crash, _) -> error(boom).

busy(Until) -> case now_ns() < Until of true -> busy(Until); false -> ok end.
