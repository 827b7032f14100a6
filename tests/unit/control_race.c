/*
 * A data race on purpose: the negative control of the threads' layer. Its test passes only where
 * ThreadSanitizer stops it.
 */
#include <pthread.h>
#include <stddef.h>

static int shared;

static void *add(void *context)
{
	(void)context;
	for (int i = 0; i < 1000; i++)
		shared++;
	return NULL;
}

int main(void)
{
	pthread_t thread;
	if (pthread_create(&thread, NULL, add, NULL) != 0)
		return 0;
	(void)add(NULL);
	(void)pthread_join(thread, NULL);
	return 0;
}
