%% Plays scenarios on real OTP supervisors and gen_servers and prints what happened, one line an event.
%%
%%     erl -noshell -s driver main FILE      FILE holds one Erlang term a scenario, see script.py
%%
%% Every event goes into an ordered table under a strictly increasing number, at the moment it happens and in the process
%% it happens in, so causal order is kept. After each step the driver waits until nothing moves any more.
-module(driver).
-behaviour(gen_server).

-export([main/1, start_child/1, start_sup/1, log/2]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).

main([File]) ->
    logger:remove_handler(default),
    ok = logger:add_handler(trace, ?MODULE, #{level => error}),
    {ok, Scenarios} = file:consult(File),
    process_flag(trap_exit, true),
    register(driver, self()),
    lists:foreach(fun play/1, Scenarios),
    erlang:halt(0).

play({scenario, #{name := Name, tree := {sup, Root} = Tree, steps := Steps}}) ->
    ets:new(trace, [ordered_set, public, named_table]),
    ets:new(starts, [set, public, named_table]),
    ets:insert(starts, {tree, Tree}),
    Observer = spawn(fun() -> observe([], []) end),
    register(observer, Observer),
    Started = start_sup(Root),
    event("result ~s", [start_result(Started)]),
    settle(),
    lists:foreach(fun(Step) -> event("step"), step(Step), settle() end, Steps),
    io:format("scenario ~s~n", [Name]),
    [io:format("~s~n", [Line]) || {_, Line} <- ets:tab2list(trace)],
    clean_up(Started, Observer).

clean_up(Started, Observer) ->
    [gen_server:stop(Pid, shutdown, infinity) || {ok, Pid} <- [Started], is_process_alive(Pid)],
    exit(Observer, kill),
    flush(),
    [ets:delete(T) || T <- [trace, starts]].

flush() -> receive _ -> flush() after 5 -> ok end.

start_result({ok, Pid}) when is_pid(Pid) -> "ok";
start_result({error, Reason}) -> ["error ", reason(Reason)].

%% The trace

event(Format) -> event(Format, []).
event(Format, Args) ->
    ets:insert(trace, {erlang:unique_integer([monotonic]), lists:flatten(io_lib:format(Format, Args))}).

log(#{msg := {report, #{label := {supervisor, Context}, report := Report}}}, _) when Context =/= progress ->
    {supervisor, {_, Sup}} = lists:keyfind(supervisor, 1, Report),
    {reason, Reason} = lists:keyfind(reason, 1, Report),
    {offender, Offender} = lists:keyfind(offender, 1, Report),
    {id, Id} = lists:keyfind(id, 1, Offender),
    event("report ~s ~s ~s ~s", [Sup, Context, Id, reason(Reason)]);
log(_, _) -> ok.

reason({shutdown, {failed_to_start_child, Id, Reason}}) -> io_lib:format("shutdown(failed_to_start ~s ~s)", [Id, reason(Reason)]);
reason({failed_to_start_child, Id, Reason}) -> io_lib:format("failed_to_start ~s ~s", [Id, reason(Reason)]);
reason({shutdown, Term}) -> io_lib:format("shutdown(~s)", [Term]);
reason({Reason, {gen_server, call, _}}) -> ["call_exit(", reason(Reason), ")"];
reason({Reason, [_ | _]}) when Reason =/= shutdown -> "error";
reason({bad_return_value, _}) -> "error";
reason(Reason) when is_atom(Reason) -> atom_to_list(Reason);
reason(Other) -> io_lib:format("~w", [Other]).

%% Who died, and when nothing moves any more

observe(Watched, Told) ->
    receive
        {watch, From, Name, Pid} ->
            Ref = monitor(process, Pid),
            From ! watching,
            observe(Watched ++ [{Name, Pid, Ref}], Told);
        {alive, From} ->
            From ! {alive, [Each || {_, Pid, _} = Each <- Watched, is_process_alive(Pid)]},
            observe(Watched, Told);
        {died, From} ->
            {Alive, Dead} = lists:partition(fun({_, Pid, _}) -> is_process_alive(Pid) end, Watched),
            Died = [receive {'DOWN', Ref, _, _, Reason} -> {Name, Reason} end || {Name, _, Ref} <- Dead],
            From ! {died, Died},
            observe(Alive, Told)
    end.

watch(Name, Pid) ->
    observer ! {watch, self(), Name, Pid},
    receive watching -> ok end.

alive() -> observer ! {alive, self()}, receive {alive, Found} -> Found end.

settle() ->
    quiet(),
    observer ! {died, self()},
    receive {died, Died} -> [event("died ~s ~s", [Name, reason(Reason)]) || {Name, Reason} <- Died] end,
    [children(Name, Pid) || {Name, Pid, _} <- alive(), is_sup(Name)],
    receive {'EXIT', _, _} -> ok after 0 -> ok end.

quiet() ->
    Before = {ets:info(trace, size), alive()},
    [sync(Name, Pid) || {Name, Pid, _} <- alive()],
    timer:sleep(2),
    [sync(Name, Pid) || {Name, Pid, _} <- alive()],
    case {ets:info(trace, size), alive()} of
        Before -> ok;
        _ -> quiet()
    end.

sync(Name, Pid) ->
    case is_sup(Name) of
        true -> catch supervisor:which_children(Pid);
        false -> catch gen_server:call(Pid, ping)
    end.

is_sup(Name) -> ets:member(starts, {sup, Name}).

children(Name, Pid) ->
    Rows = [io_lib:format(" ~s=~s", [Id, child_state(Child)]) || {Id, Child, _, _} <- supervisor:which_children(Pid)],
    event("children ~s~s", [Name, lists:flatten(Rows)]).

child_state(Pid) when is_pid(Pid) -> up;
child_state(State) -> State.

%% Steps

step({stop}) -> gen_server:stop(root_name(), shutdown, infinity);
step({tell, Name, Message}) -> gen_server:cast(Name, Message);
step({signal, Deaths}) ->
    [catch sys:suspend(Pid) || {Name, Pid, _} <- alive(), is_sup(Name)],
    [die(Name, Reason) || {Name, Reason} <- tuple_to_list(Deaths)],
    [catch sys:resume(Pid) || {Name, Pid, _} <- alive(), is_sup(Name)];
step({call, Name, Request}) ->
    Answer = try gen_server:call(Name, Request, 50) of Reply -> ["reply ", atom_to_list(Reply)]
             catch exit:{Reason, {gen_server, call, _}} -> ["exit ", reason(Reason)] end,
    event("result ~s", [Answer]);
step({gated, Name, Sup, Requests}) ->
    gen_server:cast(Name, {stop, boom}),
    Gate = receive {gate, Pid} -> Pid end,
    Refs = [line_up(Sup, Request) || Request <- tuple_to_list(Requests)],
    Gate ! open,
    quiet(),
    [receive {Ref, Answer} -> event("result ~s", [Answer]) end || Ref <- Refs];
step({Operation, Sup, Argument}) -> event("result ~s", [administer(Operation, Sup, Argument)]).

root_name() -> [{tree, {sup, #{name := Name}}}] = ets:lookup(starts, tree), Name.

%% A short while for a process that traps exits: it makes of the signal what it likes.
die(Name, Reason) -> die_pid(whereis(Name), Reason).

die_pid(undefined, _) -> ok;
die_pid(Pid, Reason) ->
    Ref = monitor(process, Pid),
    exit(Pid, Reason),
    receive {'DOWN', Ref, _, _, _} -> ok after 20 -> demonitor(Ref, [flush]) end.

line_up(Sup, {Operation, Sup, Argument}) ->
    Self = self(), Ref = make_ref(), Before = queued(Sup),
    spawn(fun() -> Self ! {Ref, administer(Operation, Sup, Argument)} end),
    wait_for(fun() -> queued(Sup) > Before end),
    Ref.

queued(Name) -> {_, N} = process_info(whereis(Name), message_queue_len), N.

wait_for(Condition) ->
    case Condition() of true -> ok; false -> erlang:yield(), wait_for(Condition) end.

administer(count_children, Sup, _) ->
    Counts = supervisor:count_children(Sup),
    io_lib:format("~w ~w ~w ~w", [proplists:get_value(K, Counts) || K <- [specs, active, supervisors, workers]]);
administer(which_children, Sup, _) ->
    lists:join(" ", [io_lib:format("~s=~s", [Id, child_state(Child)]) || {Id, Child, _, _} <- supervisor:which_children(Sup)]);
administer(start_child, Sup, Child) -> answer(supervisor:start_child(Sup, spec(Child)));
administer(Operation, Sup, Id) -> answer(supervisor:Operation(Sup, Id)).

answer(ok) -> "ok";
answer({ok, undefined}) -> "ok undefined";
answer({ok, _}) -> "ok pid";
answer({error, {already_started, _}}) -> "already_started";
answer({error, Reason}) when is_atom(Reason), Reason =/= cannot -> atom_to_list(Reason);
answer({error, _}) -> "error".

%% Children

spec({child, Child}) ->
    #{id => maps:get(name, Child), start => {?MODULE, start_child, [Child]}, restart => maps:get(restart, Child),
      shutdown => maps:get(shutdown, Child), significant => maps:get(significant, Child)};
spec({sup, Sup}) ->
    #{id => maps:get(name, Sup), start => {?MODULE, start_sup, [Sup]}, restart => maps:get(restart, Sup),
      shutdown => maps:get(shutdown, Sup), significant => maps:get(significant, Sup), type => supervisor}.

start_child(#{name := Name} = Child) -> gen_server:start_link({local, Name}, ?MODULE, {child, Child}, []).

start_sup(#{name := Name} = Sup) ->
    ets:insert(starts, {{sup, Name}, true}),
    case supervisor:start_link({local, Name}, ?MODULE, {sup, Sup}) of
        {ok, Pid} -> watch(Name, Pid), {ok, Pid};
        Failed -> Failed
    end.

init({sup, #{strategy := Strategy, intensity := N, period := T, auto_shutdown := Auto, children := Children}}) ->
    {ok, {#{strategy => Strategy, intensity => N, period => T, auto_shutdown => Auto}, [spec(C) || C <- Children]}};
init({child, #{name := Name, trap := Trap} = Child}) ->
    process_flag(trap_exit, Trap),
    come_up(outcome(Child), Name, Child).

outcome(#{name := Name, starts := Starts, then := Then}) ->
    Count = ets:update_counter(starts, Name, 1, {Name, 0}),
    case Count =< length(Starts) of true -> lists:nth(Count, Starts); false -> Then end.

come_up(ok, Name, Child) -> event("start ~s", [Name]), watch(Name, self()), {ok, Child};
come_up(fail, Name, _) -> event("fail ~s", [Name]), {stop, cannot};
come_up(raise, Name, _) -> event("fail ~s", [Name]), erlang:error(cannot);
come_up(ignore, Name, _) -> event("ignore ~s", [Name]), ignore;
come_up(gate, Name, Child) ->
    driver ! {gate, self()},
    receive open -> come_up(fail, Name, Child) end.

handle_call(ping, _, Child) -> {reply, pong, Child};
handle_call({ping}, _, Child) -> {reply, pong, Child};
handle_call({later}, From, Child) -> gen_server:reply(From, pong), {noreply, Child};
handle_call({never}, _, Child) -> {noreply, Child};
handle_call({raise}, _, _) -> erlang:error(boom);
handle_call({stop, Reason}, _, Child) -> {stop, Reason, Child};
handle_call({stop_after_reply, Reason}, _, Child) -> {stop, Reason, pong, Child}.

handle_cast({stop, Reason}, Child) -> {stop, Reason, Child};
handle_cast(raise, _) -> erlang:error(boom);
handle_cast({link, Other}, Child) -> link(whereis(Other)), {noreply, Child};
handle_cast({unlink, Other}, Child) -> unlink(whereis(Other)), {noreply, Child};
handle_cast({monitor, Other}, Child) -> monitor(process, whereis(Other)), {noreply, Child};
handle_cast({monitor_dead}, Child) -> monitor(process, dead()), {noreply, Child};
handle_cast({link_dead}, Child) -> link(dead()), {noreply, Child};
handle_cast({exit_self, Reason}, Child) -> exit(self(), Reason), {noreply, Child};
handle_cast({call, Other}, #{name := Name} = Child) ->
    Reply = gen_server:call(Other, {ping}),
    event("heard ~s ~s", [Name, Reply]),
    {noreply, Child}.

dead() -> {Pid, Ref} = spawn_monitor(fun() -> ok end), receive {'DOWN', Ref, _, _, _} -> Pid end.

handle_info({'EXIT', _, Reason}, #{name := Name} = Child) -> event("exit ~s ~s", [Name, reason(Reason)]), {noreply, Child};
handle_info({'DOWN', _, _, _, Reason}, #{name := Name} = Child) -> event("down ~s ~s", [Name, reason(Reason)]), {noreply, Child}.

terminate(Reason, #{name := Name, on_stop := OnStop}) ->
    event("terminate ~s ~s", [Name, reason(Reason)]),
    case OnStop of
        ok -> ok;
        raise -> erlang:error(boom);
        {exit, Other} -> exit(Other);
        {sleep, Ms} -> timer:sleep(Ms), event("slept ~s", [Name])
    end.
