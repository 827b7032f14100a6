/*
 * Wrong versions of safety rules of replication, for the simulator to find (sim/): compiled in
 * only where PLANTED names one. Not for: the product, which is built without PLANTED.
 * Numbers from 101 on; those of the core stand in core/planted.h.
 */
#ifndef EVENKEEL_REPL_PLANTED_H
#define EVENKEEL_REPL_PLANTED_H

#ifndef PLANTED
#define PLANTED 0
#endif

enum {
	PLANTED_ANSWER_IGNORES_HELD = 101, /* answers leave although the peer is lost */
	PLANTED_ANSWER_ON_SENT = 102,	   /* PAIRED answers what the peer has not applied */
	PLANTED_LOST_IS_ALONE = 103,	   /* a lost peer is not asked about */
	PLANTED_ACK_ON_RECEIPT = 104,	   /* acknowledged when received, not when applied (R6) */
	PLANTED_GAP_TAKEN = 107,	   /* what comes after a gap is taken */
	PLANTED_PROMOTED_RECEIVES = 108,   /* arrivals after the promotion are taken */
	PLANTED_APPLIED_IS_DURABLE =
		109,			 /* a sync waits for the peer's memory, not its disk (R1) */
	PLANTED_STRANGE_SERVES = 110,	 /* whatever lies in the directory is served (R2) */
	PLANTED_SYNC_HERE_ONLY = 111,	 /* a sync is released when it is done here (R1) */
	PLANTED_SYNC_IGNORES_HELD = 112, /* a sync is released although the peer is lost */
	PLANTED_BARRIER_AT_END = 113, /* a barrier says what came while the disk was synced (R1) */
	PLANTED_PROMOTED_UNAPPLIED = 114, /* serves before what was received is applied (R6) */
	PLANTED_RESUMED_ALONE = 115,	  /* a successor answers what waited for the peer (R8) */
	PLANTED_COMPLETE_UNSYNCED = 116,  /* complete is told before it is durable (R4) */
	PLANTED_DRAINED_HERE_ONLY = 117,  /* drained, although the peer has not synced */
	PLANTED_LEASE_UNTOLD = 118, /* ids are given away before the peer knows of them (R11) */
	PLANTED_HELD_NEEDS_NOBODY = 119, /* what is sequenced while the peer is lost is done (R1) */
	PLANTED_OTHER_SESSION = 122,	 /* goes on with whatever session the peer has */
	PLANTED_OLD_STATE_SERVES = 143,	 /* the data are not asked whether the state is old (R2) */
	PLANTED_STALE_ALONE = 140,	 /* answers alone in an epoch that is not new (R4) */
	PLANTED_STRANGE_ACK = 141,	 /* acknowledgements of another epoch count */
	PLANTED_MIXTURE_SERVES = 142,	 /* a copy that is not in sync is promoted (R6) */
	/* bringing a copy up to date: found by sim/resync */
	PLANTED_RESYNC_UNLINK_AS_IS = 150,   /* an object dies there although it has names here */
	PLANTED_RESYNC_LINK_UNSHOWN = 151,   /* a name for what the target does not have */
	PLANTED_RESYNC_REPLACED_ALIKE = 152, /* what is renamed over is taken for what it is here */
	PLANTED_RESYNC_ORPHAN_KEPT = 153,    /* of an orphan is told to who does not have it */
	PLANTED_RESYNC_BEGUN_IS_LISTED = 154, /* half a list is taken for all of it */
	PLANTED_RESYNC_BOUND_UNNOTED = 155,   /* a name bound beside its list is not of the list */
	PLANTED_RESYNC_NO_LIMBO = 156,	      /* what loses its last name there is gone at once */
	PLANTED_RESYNC_ENDS_EARLY = 157,      /* nobody waits for the last answers */
	PLANTED_RESYNC_STOPS_AT_HOLE = 158,   /* what is behind a hole is not compared */
	PLANTED_RESYNC_ADOPTS_ANY = 159,      /* another object's inode is made this one */
	/* what a person wrote on the wrong copy: found by sim */
	PLANTED_LET_GO_UNNOTED = 160,  /* a copy that lies open is taken for a watched one (R13) */
	PLANTED_BOOT_IS_WATCHED = 161, /* likewise one whose machine came up without us */
	PLANTED_DEATH_LIES_OPEN = 162  /* what was done before a death is taken for a person's */
};

#define IS_PLANTED(bug) (PLANTED == (bug))

#endif
