"""supervisors: OTP for asyncio. Actors, links, monitors and supervision trees, true to Erlang's semantics.

Files in import order; each imports only those before it:
    errors, exits, clock        what can go wrong; why a process ends; time
    deadlines, alarm            the time-outs of all calls; messages to oneself, later
    spec, events                the vocabulary of supervision; what is reported
    intensity, strategy         the restart decision, pure: how often, and who
    scheduler, mailbox, ref     the run queue; the bounded FIFO; addresses and calls
    signals, process, runtime   exits, links, monitors: their words, their rules; the table of all processes
    actor, inbox, worker        the callbacks one writes; how messages get in; the task in which callbacks wait
    actor_process, start        the machinery that runs an actor; bringing one up
    admin, child, supervisor    what one may ask; one child's beginning and end; static trees
    dynamic, task               children that come and go; supervised coroutines
    application                 stopping a whole tree in order
    introspect, testing         a snapshot of everything; virtual time
"""

from supervisors.actor import IGNORE, NO_REPLY, Actor, Continue, Reply, Stop
from supervisors.dynamic import DynamicSupervisor
from supervisors.errors import BadSpec, MailboxFull, NameTaken, NotStarted, SupervisorsError
from supervisors.exits import KILLED, NORMAL, SHUTDOWN, CallExit, Custom, Error, ExitReason, Killed, Normal, Shutdown
from supervisors.process import Down, Exit, Monitor, Process
from supervisors.ref import Address, From, Request
from supervisors.runtime import Runtime
from supervisors.spec import BRUTAL_KILL, ChildSpec, ChildType, Flags, Restart, Strategy
from supervisors.start import actor, spawn
from supervisors.supervisor import Supervisor
from supervisors.task import MaxChildren, TaskHandle, Tasks, TaskSupervisor

__all__ = [
    "BRUTAL_KILL",
    "IGNORE",
    "KILLED",
    "NORMAL",
    "NO_REPLY",
    "SHUTDOWN",
    "Actor",
    "Address",
    "BadSpec",
    "CallExit",
    "ChildSpec",
    "ChildType",
    "Continue",
    "Custom",
    "Down",
    "DynamicSupervisor",
    "Error",
    "Exit",
    "ExitReason",
    "Flags",
    "From",
    "Killed",
    "MailboxFull",
    "MaxChildren",
    "Monitor",
    "NameTaken",
    "Normal",
    "NotStarted",
    "Process",
    "Reply",
    "Request",
    "Restart",
    "Runtime",
    "Shutdown",
    "Stop",
    "Strategy",
    "Supervisor",
    "SupervisorsError",
    "TaskHandle",
    "TaskSupervisor",
    "Tasks",
    "actor",
    "spawn",
]
