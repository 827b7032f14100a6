/*
 * A command that starts a module: first this node is looked at, in a thread, because reading all of
 * /proc or a sick directory takes time that beats do not have; then the core hears the command.
 *
 * The thread works on a copy and signals an eventfd. A thread that never comes back (a dead
 * network file system) keeps its job for ever, and the client waits until it gives up: nothing else
 * does.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "api/preflight.h"
#include "daemon/admin/internal.h"
#include "daemon/modules.h"

struct preflight_job {
	struct preflight_job *next;
	struct admin *admin;
	struct watch watch; /* the eventfd that the thread signals */
	struct event event; /* what the core will hear */
	pthread_t thread;
	struct paths paths;
	struct module_settings settings;
	struct preflight_neighbour *neighbours;
	int neighbour_count;
	struct preflight_findings findings; /* the thread's, until it has signalled */
};

static void *look(void *argument)
{
	struct preflight_job *job = argument;
	const struct sched_param usual = { 0 };
	struct preflight_site site = {
		.config = job->paths.config,
		.state = job->paths.state,
		.run = job->paths.run,
		.programs = job->paths.programs,
		.neighbours = job->neighbours,
		.neighbour_count = job->neighbour_count,
	};
	/* As in reading.c: not in the turn of the loop, whose priority it inherited. */
	(void)pthread_setschedparam(pthread_self(), SCHED_OTHER, &usual);
	preflight_check(&site, &job->settings, &job->findings);
	(void)eventfd_write(job->watch.fd, 1); /* cannot fail: the counter is 0 */
	return NULL;
}

static void job_free(struct preflight_job *job)
{
	if (job->watch.fd >= 0)
		close(job->watch.fd);
	free(job->neighbours);
	free(job);
}

static void job_unlink(struct preflight_job *job)
{
	struct preflight_job **at = &job->admin->jobs;
	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
}

static void reply_findings(struct admin_client *client, const struct preflight_findings *findings)
{
	json_t *more = json_array();
	for (int i = 0; i < findings->count; i++)
		(void)json_array_append_new(more, json_string(findings->list[i].sentence));
	admin_reply(client, json_pack("{s:b,s:s,s:s,s:o}", "ok", 0, "refusal",
				    words_name(&admin_refusal_words, ADMIN_REFUSED_PREFLIGHT),
				    "sentence", findings->list[0].sentence, "findings", more));
}

static void job_done(void *owner, uint32_t events)
{
	struct preflight_job *job = owner;
	struct daemon *daemon = job->admin->daemon;
	struct admin_client *client = admin_client_of(job->admin, job->event.command.request);
	(void)events;
	(void)pthread_join(job->thread, NULL); /* it has signalled: it ends now */
	loop_remove(&daemon->loop, &job->watch);
	job_unlink(job);
	if (client != NULL && job->findings.count > 0)
		reply_findings(client, &job->findings);
	else if (client != NULL) /* a person who gave up does not want it any more */
		daemon_post(daemon, &job->event);
	job_free(job);
}

static int copy_neighbours(struct daemon *daemon, struct preflight_job *job)
{
	const struct module_settings *others[MODULES_MAX];
	for (int i = 0; i < daemon->module_count; i++)
		others[i] = &daemon->modules[i]->settings;
	return preflight_neighbours(others, daemon->module_count, job->settings.name,
		&job->neighbours, &job->neighbour_count);
}

static int job_start(struct preflight_job *job)
{
	struct daemon *daemon = job->admin->daemon;
	int error = copy_neighbours(daemon, job);
	if (error != 0)
		return error;
	job->watch = (struct watch){ .owner = job, .on_ready = job_done };
	job->watch.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (job->watch.fd < 0)
		return -errno;
	error = loop_add(&daemon->loop, &job->watch, EPOLLIN);
	if (error != 0)
		return error;
	error = -pthread_create(&job->thread, NULL, look, job);
	if (error != 0)
		loop_remove(&daemon->loop, &job->watch);
	return error;
}

static bool is_looked_at(const struct admin *admin, uint16_t module)
{
	for (const struct preflight_job *job = admin->jobs; job != NULL; job = job->next) {
		if (job->event.module == module)
			return true;
	}
	return false;
}

void admin_start(struct admin_client *client, struct module *module, const struct event *event)
{
	struct admin *admin = client->admin;
	/* One that runs, or is still stopping, has its mounts over the directories. */
	if (!modules_is_at_rest(admin->daemon, module)) {
		daemon_post(admin->daemon, event);
		return;
	}
	if (is_looked_at(admin, event->module)) {
		admin_reply_refused(client, ADMIN_REFUSED_BUSY,
			"this node is still being looked at for an earlier command; wait for its "
			"answer (a directory on a dead network file system takes for ever)");
		return;
	}
	struct preflight_job *job = calloc(1, sizeof(*job));
	if (job == NULL) {
		admin_reply_error(client, "look at this node before the start", -ENOMEM);
		return;
	}
	job->admin = admin;
	job->event = *event;
	job->paths = admin->daemon->paths;
	job->settings = module->settings;
	job->watch.fd = -1;
	int error = job_start(job);
	if (error != 0) {
		job_free(job);
		admin_reply_error(client, "look at this node before the start", error);
		return;
	}
	job->next = admin->jobs;
	admin->jobs = job;
}

void admin_start_close(struct admin *admin)
{
	while (admin->jobs != NULL) {
		struct preflight_job *job = admin->jobs;
		/* Its thread may hang in a dead file system: the process ends, and takes the job
		 * along. */
		loop_remove(&admin->daemon->loop, &job->watch);
		admin->jobs = job->next;
		(void)pthread_detach(job->thread);
	}
}
