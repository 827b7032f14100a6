#include "api/events.h"

#include <string.h>

#include "base/macros.h"

#define INFO	SEVERITY_INFO
#define WARNING SEVERITY_WARNING
#define ERROR	SEVERITY_ERROR

/* clang-format off */
const struct event_row event_rows[] = {
	/* addresses */
	{ "address.both", WARNING, "the module's other node says that it has the module's address too; one of the two lets go of it as soon as they hear each other", "nothing, if it is said once (a node stood still for a while); else look at `evenkeel status` on both" },
	{ "address.conflict", ERROR, "another machine says that it has the module's address; this node keeps it", "find that machine by the hardware address in the sentence and take the address away from it" },
	{ "address.failed", ERROR, "an address of the module cannot be set; it is tried again", "see that an interface is up and has an address in the same network, or name it in module.yaml" },
	{ "address.lost", WARNING, "a service address went away or is used by another machine", "find out who removed it; it is put back" },
	{ "address.put_back", WARNING, "something on this node removed an address that the module serves at", "find out what did: a network manager must leave that interface alone" },
	/* the application */
	{ "application.given_up", ERROR, "repairs are used up (`repairs`): the application is not started here again", "repair it, then `evenkeel stop` and `evenkeel start`" },
	{ "application.left", WARNING, "processes of the application run on although it is stopped: they are ended", "let a stop script of the module end them" },
	{ "application.not_ended", ERROR, "processes of the application do not end, not even by SIGKILL: nothing is started beside them", "the sentence says what they wait for: a replicated directory comes free by itself; for a disk see `dmesg`" },
	{ "application.not_killed", ERROR, "the application could not be killed as a whole", "look for its processes; mount cgroup2" },
	{ "application.repair", WARNING, "the application failed and is stopped and started again here", "look at what its scripts and checks say" },
	/* the arbiter */
	{ "arbiter.granted", WARNING, "the arbiter lets this node go on alone", "bring the other node back" },
	{ "arbiter.reachable", INFO, "the ping target answers again", "" },
	{ "arbiter.unreachable", WARNING, "the ping target does not answer: this node cannot take over or go on alone now", "check the network to it" },
	/* checks */
	{ "check.down", WARNING, "a check of the module failed", "look at the application" },
	{ "check.up", INFO, "a check of the module succeeds again", "" },
	/* configuration */
	{ "config.cluster_changed", INFO, "cluster.yaml has changed: evenkeeld starts anew with it", "" },
	{ "config.hangs", ERROR, "the configuration is being read for long: its disk hangs", "look at the disk that holds the configuration" },
	{ "config.wrong", ERROR, "a module.yaml or cluster.yaml is wrong; what runs goes on as it was", "correct it and run `evenkeel apply`" },
	/* evenkeeld */
	{ "daemon.cannot_start", ERROR, "a part of evenkeeld cannot start; it ends and is started again", "the sentence says which part and why" },
	{ "daemon.ended", INFO, "evenkeeld has ended", "" },
	{ "daemon.late", WARNING, "evenkeeld was kept from working: the machine is overloaded, or was stopped", "find what takes the processor; a machine that is late suspects the other as much later" },
	{ "daemon.no_cgroup", ERROR, "there is no control group (version 2): applications that hang cannot be killed as a whole", "mount cgroup2" },
	{ "daemon.no_priority", WARNING, "evenkeeld runs with normal priority: a busy machine may delay its beats", "let it have CAP_SYS_NICE" },
	{ "daemon.not_locked", WARNING, "evenkeeld cannot keep itself in memory: swapping may delay its beats", "raise the limit of locked memory" },
	{ "daemon.started", INFO, "evenkeeld has started", "" },
	{ "daemon.stop_forced", ERROR, "what did not stop in order when the service was stopped is killed", "look at what its stop scripts wait for" },
	{ "daemon.stop_incomplete", ERROR, "evenkeeld ends although something of a module cannot be ended, not even by force", "reboot the machine; look at its disks first" },
	{ "daemon.stop_unrecorded", ERROR, "everything is stopped, but the disk of the state folder did not take that down", "look at that disk" },
	{ "daemon.stopping", INFO, "evenkeeld was told to end; the modules of this node are stopped", "" },
	/* evenkeel-fs */
	{ "fs.busy", ERROR, "a directory cannot be released: somebody holds files in it", "end whoever the sentence names" },
	{ "fs.cannot_start", ERROR, "evenkeel-fs cannot be started; it is tried again", "see that evenkeel is installed whole" },
	{ "fs.died", WARNING, "evenkeel-fs ended; a successor continues where it was", "report it: it should not end" },
	{ "fs.ended", WARNING, "evenkeel-fs ended by itself", "mend what the sentence names; if it names nothing, report it, with what it said to standard error" },
	{ "fs.forced", ERROR, "evenkeel-fs did not release the directories in time: they were taken away, and it was killed", "look at the disk underneath" },
	{ "fs.given_up", ERROR, "evenkeel-fs ended and could not be started again: nobody waits for it any more", "mend what the log says of evenkeel-fs before this, then `evenkeel start`" },
	{ "fs.killed", WARNING, "evenkeel-fs was ended by a signal", "find out who sent it; was memory short?" },
	{ "fs.mute", ERROR, "evenkeel-fs runs and does not answer since evenkeeld was started again", "if it hangs for good, kill it" },
	{ "fs.notice", WARNING, "evenkeel-fs has something to say to a person", "the sentence says what" },
	{ "fs.other_version", ERROR, "evenkeel-fs was replaced by another version while the module was mounted, and cannot be continued", "the sentence says what; upgrade a node while the module does not run there" },
	{ "fs.unreadable", ERROR, "evenkeel-fs said something that evenkeeld does not understand", "install the same version of both" },
	/* evenkeel-hold */
	{ "hold.full", ERROR, "no more descriptors can be kept for successors", "report it" },
	{ "hold.gone", WARNING, "evenkeel-hold has ended: nobody restarts evenkeeld until it is back", "its service manager should start it again" },
	{ "hold.refused", WARNING, "evenkeel-hold did not keep a descriptor: if evenkeeld is killed now, the application may get errors", "look at evenkeel-hold" },
	/* the log itself */
	{ "log.dropped", WARNING, "lines of this log were dropped: more came than could be written", "look at the disk that holds the state folder" },
	/* beats */
	{ "mesh.foreign", WARNING, "a node that has the cluster's secret sends what cannot be read here", "both nodes must run the same version in the end" },
	{ "mesh.link_down", WARNING, "the other node is no longer heard on one network", "check that network" },
	{ "mesh.link_up", INFO, "the other node is heard on one network", "" },
	{ "mesh.streamed", WARNING, "no heartbeat passes on any network, but the stream of replication stands: heartbeats go over that", "let UDP pass between the nodes, on all networks: one cable, or one process, carries everything now" },
	{ "mesh.streamed_over", INFO, "heartbeats pass on a network again", "" },
	{ "mesh.network_failed", WARNING, "beats cannot use one network; it is tried again every second", "see that this node's address there exists and that nothing else uses the port" },
	{ "mesh.no_secret", ERROR, "the cluster's secret cannot be read", "it is made by `evenkeel cluster init` and carried to each node with the configuration" },
	/* modules */
	{ "module.alone", WARNING, "this node goes on alone; the other copy is recorded as stale first", "bring the other node back" },
	{ "module.behind", ERROR, "this copy may lack what was sent here last: it counts as stale until it is brought up to date", "keep the other node running" },
	{ "module.blocked", ERROR, "the module cannot go on by itself", "the sentence says what to do" },
	{ "module.differs", ERROR, "the two nodes' configurations of the module differ", "make them the same, then `evenkeel apply`" },
	{ "module.held", WARNING, "the other node is not heard: answers to the application wait until it is clear who goes on", "" },
	{ "module.local_failed", ERROR, "the disk or evenkeel-fs failed on this node", "repair the disk; the copy is brought up to date afterwards" },
	{ "module.lost", ERROR, "the other node serves: this node stops serving at once", "" },
	{ "module.mount_lost", ERROR, "somebody took the mount of a directory away, and no other copy can serve: mounted and started anew here", "find out who did; `evenkeel stop` is the way to get at the directory" },
	{ "module.old_copy", ERROR, "the data here are older than this node's state says: an old image was put back, so this node does not serve by itself", "`evenkeel status` says what the other node's copy is worth: bring that node back; if it is lost for good, or no better: `evenkeel prim --force` here" },
	{ "module.resumed", INFO, "the other node is heard again: nothing was changed", "" },
	{ "module.state", INFO, "the module's state or readiness changed", "" },
	{ "module.stop_unheard", WARNING, "the other node fell silent while this one was being stopped, and may take over: the application here is killed, and the service address goes", "bring the other node back, if it does not serve" },
	{ "module.stuck", ERROR, "this copy cannot follow: its disk or evenkeel-fs does not answer, or its mount was taken away; it counts as stale until it was brought up to date again", "`watch.found` before it says what was found; repair that, it follows by itself" },
	{ "module.takeover", WARNING, "the other node is silent and the arbiter agrees: this node takes over", "bring the other node back" },
	{ "module.unfit", ERROR, "this node cannot serve as it should any more: the other one takes over, and the application here is killed", "`watch.found` before it says what was found; repair that, it follows by itself" },
	{ "module.unreached", ERROR, "a service address cannot be set on this node, and can on the other: the service goes there in order", "see that its interface is there and up" },
	{ "module.waits", WARNING, "the module waits for something", "the sentence says for what" },
	{ "module.wrong_copy", ERROR, "what lies in the directories is not the copy that this node's state speaks of", "mount the right disk; `prim --force` takes what is there" },
	/* the mirror */
	{ "peer.dropped", WARNING, "the copy on the other node cannot follow: answers wait until it is recorded as stale", "the sentence says why; look at the disk there" },
	{ "prim.late", WARNING, "the other node began to serve before this one could: `prim` is dropped", "`evenkeel swap` moves the service here" },
	{ "record.answered", INFO, "the disk of the state folder, which hung over a record, has answered", "" },
	{ "record.failed", ERROR, "the module's record could not be written: nothing is decided here before it can", "free or repair the disk that holds the state folder" },
	{ "record.slow", WARNING, "writing 4 KiB to the state folder took long, and failovers wait for it", "give the state folder a faster disk" },
	{ "record.stuck", ERROR, "a record has been on its way to the state folder for seconds: that disk hangs, and nothing that rests on the record is done before it answers; address, application and directory are let go without it", "look at that disk (`dmesg`), end what holds it up, or cut the node's power" },
	{ "record.unreadable", ERROR, "the module's record cannot be used: nobody knows how fresh its copy is, so it stays out here", "if the other node serves, remove the file that the sentence names and run `evenkeel apply`" },
	{ "resync.ended", WARNING, "bringing the other copy up to date ended early; it is tried again", "the sentence says why" },
	{ "resync.left_out", ERROR, "the other copy is up to date, all but objects that cannot be read on this node", "restore or remove what is named, then stop and start the module on the other node" },
	{ "runtime.failed", WARNING, "what runs could not be noted in the run folder", "free the file system of the run folder" },
	/* scripts */
	{ "script.cannot_run", ERROR, "a script of the module cannot be run", "see that it exists and may be executed" },
	{ "script.failed", WARNING, "a script of the module ended with an error", "what it said stands above, under `script.output`" },
	{ "script.forced", WARNING, "a stop script did not end well: it runs again with force", "" },
	{ "script.killed", WARNING, "a script of the module was ended by a signal", "find out who sent it" },
	{ "script.lost", WARNING, "a script was running when evenkeeld was killed: it is killed and run again", "" },
	{ "script.output", INFO, "a line that a script printed", "" },
	{ "script.output_cut", WARNING, "a script printed too much: lines were left out", "let it print less" },
	{ "script.timed_out", ERROR, "a script did not end in time and is killed with all it started", "look at what it waits for, or raise `script_timeout`" },
	/* streams */
	{ "stream.foreign", WARNING, "connections to the replication port were not from this cluster's nodes, or of another version", "find who calls; keep that port from strangers" },
	{ "stream.no_port", ERROR, "the replication port cannot be used on one address; it is tried every second", "see that nothing else uses it" },
	/* swap */
	{ "swap.given_up", WARNING, "the other node cannot take over now: this node keeps the service", "`evenkeel status` says what the other node waits for" },
	/* the watch */
	{ "watch.found", ERROR, "what the service rests on was looked at, and is not as it should be", "the sentence says what; `evenkeel status` says what that means now" },
	{ "watch.good", INFO, "what was found is as it should be again", "" },
};
/* clang-format on */

const size_t event_row_count = ARRAY_COUNT(event_rows);

const struct event_row *event_row_find(const char *id)
{
	for (size_t i = 0; i < ARRAY_COUNT(event_rows); i++) {
		if (strcmp(event_rows[i].id, id) == 0)
			return &event_rows[i];
	}
	return NULL;
}

static const struct word severities[] = {
	[SEVERITY_INFO] = { "info", "nothing to do" },
	[SEVERITY_WARNING] = { "warning", "the service goes on, with less behind it" },
	[SEVERITY_ERROR] = { "error", "something does not work until a person does something" },
};
const struct words severity_words = { severities, ARRAY_COUNT(severities) };

/* clang-format off */
#define EVENT(...) FIELD(struct shown_event, __VA_ARGS__)
static const struct field event_fields[] = {
	EVENT(STRING, time, "time", NULL, "UTC", "when, to the millisecond"),
	EVENT(STRING, node, "node", NULL, "", "the node that wrote it"),
	EVENT(STRING, module, "module", NULL, "", "the module that it is about; absent: the node"),
	EVENT(STRING, severity, "severity", NULL, "", "info, warning or error"),
	EVENT(STRING, id, "id", NULL, "", "stable, for programs"),
	EVENT(STRING, sentence, "sentence", NULL, "", "for people"),
};
const struct fields shown_event_fields = FIELDS(event_fields);
/* clang-format on */
