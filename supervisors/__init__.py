"""supervisors: OTP for asyncio. Actors, links, monitors and supervision trees, true to Erlang's semantics.

Files in import order; each imports only those before it:
    errors, texts, exits, clock         what can go wrong; bounded texts of anything; why a process ends; time
    deadlines, alarm                    the time-outs of all calls; messages to oneself, later
    validation, flags, spec, events     what a right value is; the vocabulary of supervision; what is reported
    intensity, strategy                 the restart decision, pure: how often, and who
    signals, ref, relations, process    the words of processes; addresses and calls; links and monitors; life and death
    scheduler, runtime, inbox           the run queue; the table of all processes; the bounded mailbox
    actor, debug, worker                the callbacks one writes; who looks on; the task in which callbacks wait
    extras, obituary, start             what few actors have; the reports of a bad end; a start that is awaited
    callbacks, actor_process, spawning  what results mean; turns and the shortcut of calls; bringing an actor up
    pending, attributes, sys            answers fetched later; what a change may undo; looking into a living actor
    admin, child, children              what one may ask; one child's beginning and end; the table of a supervisor's children
    keeper, supervisor                  deaths and rounds of restarts; static trees
    dynamic_keeper, dynamic, simple     children that come and go; all from one template
    administration                      what one may ask, as functions
    task_process, task_handle, task_many  coroutines as processes; their results, one by one or many at once
    task_source, task_keeper, task_stream  a task for each input, so many at a time
    task                                supervised tasks, and a map of all that concerns tasks
    registry_table, registry_lock, registry_process, registry  who has which key, until its end
    agent, partition                    a value in a process; so many of a kind, by key
    deadline, stop_signals, application  the last word on time; a tree as a program: signals, order, exit codes
    loop_events, watchdog               the loop is blocked, and by whom
    from_thread, mailbox_watch          messages from other threads; an alarm for full mailboxes
    introspect                          snapshots of everything: the table, the tree, who waits for whom
    virtual_time, probe, exploration,   for tests: time that moves when told, an actor that looks on, runs under many
        testing                         interleavings; all of it in one place
"""

from supervisors.actor import HIBERNATE, IGNORE, NO_REPLY, Actor, After, Continue, Fail, Reply, Status, Stop
from supervisors.dynamic import DynamicSupervisor
from supervisors.errors import BadSpec, CallbackFailed, MailboxFull, NameTaken, NotStarted, SupervisorsError
from supervisors.exits import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    CallExit,
    Custom,
    Error,
    ExitReason,
    ExitWith,
    Killed,
    Normal,
    Shutdown,
)
from supervisors.flags import AutoShutdown, Flags, Strategy
from supervisors.inbox import Overflow
from supervisors.pending import Pending, RequestIds, abcast, multi_call, send_request
from supervisors.process import Down, Exit, Monitor, Process
from supervisors.ref import Address, From, Request
from supervisors.runtime import Runtime
from supervisors.spawning import actor, spawn, spawn_monitor
from supervisors.spec import BRUTAL_KILL, ChildSpec, ChildType, Restart, Started
from supervisors.supervisor import Supervisor
from supervisors.task import Exited, MaxChildren, Ok, TaskHandle, Tasks, TaskStart, TaskSupervisor

__all__ = [
    "BRUTAL_KILL",
    "HIBERNATE",
    "IGNORE",
    "KILLED",
    "NORMAL",
    "NO_REPLY",
    "SHUTDOWN",
    "Actor",
    "Address",
    "After",
    "AutoShutdown",
    "BadSpec",
    "CallExit",
    "CallbackFailed",
    "ChildSpec",
    "ChildType",
    "Continue",
    "Custom",
    "Down",
    "DynamicSupervisor",
    "Error",
    "Exit",
    "ExitReason",
    "ExitWith",
    "Exited",
    "Fail",
    "Flags",
    "From",
    "Killed",
    "MailboxFull",
    "MaxChildren",
    "Monitor",
    "NameTaken",
    "Normal",
    "NotStarted",
    "Ok",
    "Overflow",
    "Pending",
    "Process",
    "Reply",
    "Request",
    "RequestIds",
    "Restart",
    "Runtime",
    "Shutdown",
    "Started",
    "Status",
    "Stop",
    "Strategy",
    "Supervisor",
    "SupervisorsError",
    "TaskHandle",
    "TaskStart",
    "TaskSupervisor",
    "Tasks",
    "abcast",
    "actor",
    "multi_call",
    "send_request",
    "spawn",
    "spawn_monitor",
]
