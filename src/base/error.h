/*
 * The kernel's error numbers, under our own names, for layers that are compiled without the C
 * library. A unit test holds them against errno.h. Functions return 0 or a negative one of these.
 */
#ifndef EVENKEEL_BASE_ERROR_H
#define EVENKEEL_BASE_ERROR_H

enum {
	ERROR_NOT_FOUND = 2,	  /* ENOENT */
	ERROR_IO = 5,		  /* EIO */
	ERROR_AGAIN = 11,	  /* EAGAIN */
	ERROR_NO_MEMORY = 12,	  /* ENOMEM */
	ERROR_BUSY = 16,	  /* EBUSY */
	ERROR_EXISTS = 17,	  /* EEXIST */
	ERROR_INVALID = 22,	  /* EINVAL */
	ERROR_NO_SPACE = 28,	  /* ENOSPC */
	ERROR_RANGE = 34,	  /* ERANGE */
	ERROR_NAME_TOO_LONG = 36, /* ENAMETOOLONG */
	ERROR_BAD_MESSAGE = 74,	  /* EBADMSG */
	ERROR_OVERFLOW = 75,	  /* EOVERFLOW */
	ERROR_PROTOCOL = 71,	  /* EPROTO */
	ERROR_NO_BUFFERS = 105,	  /* ENOBUFS */
	ERROR_STALE = 116,	  /* ESTALE */
};

#endif
