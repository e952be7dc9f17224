/*
 * JOBS replications set one target tag, as lib/replicate/tag-order.ts does it: claim, re-check, repair, verify. Job k was
 * accepted as the k-th and copies image k; the tag must end as the image of the newest, although a killed worker's request
 * may still land after others have come and gone. A registry has no conditional PUT.
 *
 * Instants are sets here: `until` is the set of runs that may still have a request on its way, and it is past when each of
 * them is `expired`. The largest of two instants is the union of the two sets.
 */
#ifndef JOBS
#define JOBS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
/* Run numbers are bits: a job's runs, one more than there are crashes, then its follow-up's. */
#define PER_JOB (CRASHES + 2)
#define RUNS (PER_JOB * JOBS)
#define BIT(run) (1 << (run))
#define ALL_EXPIRED(set) (((set) & ~expired) == 0)

byte tag;              /* what the tag names; 0: nothing */
byte claimed;          /* the sequence, and so the image, of the claim */
int until, others;     /* runs of the claim's image, and of images before it */
bool atTarget[JOBS + 1];
byte inFlight[RUNS];   /* the image that a dead run's request will still set */
int over, expired;     /* runs that have ended; runs of which nothing can land any more */
byte ended, verified, armed;
byte crashes = CRASHES;

inline set(image) { tag = image; atTarget[image] = 1 }

/* The worker is killed; its request may be lost, or land much later. */
inline mayCrash(image) {
#ifdef CRASH_IN_REPAIR
  /* Three jobs are many: of them the very first run is killed, and then a repair, each with a request on its way. */
  if
  :: atomic { image > 0 && (crashes == CRASHES && me == 0 || crashes == 1 && image != me / PER_JOB + 1) ->
       crashes--; inFlight[me] = image; over = over | BIT(me); died = 1 }
  :: else -> skip
  fi
#else
  if
  :: atomic { crashes > 0 -> crashes--; over = over | BIT(me); died = 1 }
  :: atomic { crashes > 0 && image > 0 -> crashes--; inFlight[me] = image; over = over | BIT(me); died = 1 }
  :: skip
  fi
#endif
}

/* Makes the tag what the newest claim says, when that is at the target. */
inline settle() {
  settled = 0;
  do
  :: settled || died -> break
  :: else ->
       newest = claimed;
       if
       :: tag == newest || !atTarget[newest] -> settled = 1
       :: else ->
            /* Its own lease goes into the claim first, unless the claim has changed meanwhile. */
            written = 0;
            atomic {
              if
              :: claimed == newest ->
#ifndef NO_REPAIR_CLAIM
                   until = until | BIT(me);
#endif
                   written = 1
              :: else -> skip
              fi
            };
            if
            :: written ->
                 mayCrash(newest);
                 if :: !died -> atomic { set(newest) } :: else -> skip fi
            :: else -> skip
            fi
       fi
  od
}

/* The follow-up job: due when nothing of the images before can land any more. */
proctype Verify(byte me; int quiet) {
  byte newest;
  bool died, settled, written;
  ALL_EXPIRED(quiet) -> skip;
again:
  settle();
  if
  :: died ->
       /* The sweeper gives it another run when the lease of this one is past. */
       atomic { (expired & BIT(me)) != 0 -> over = over & ~BIT(me); expired = expired & ~BIT(me); died = 0 };
       goto again
  :: else -> skip
  fi;
  atomic { over = over | BIT(me); verified++; newest = 0; settled = 0; written = 0 }
}

proctype Job(byte k) {
  byte me, stored, newest;
  bool died, settled, written, late, moves, superseded, armedMine;
  int quiet;
  me = PER_JOB * (k - 1);
begin:
  atomic {
    superseded = 0; late = 0; moves = 0;
    if
#ifndef NO_CLAIM
    :: claimed > k -> superseded = 1
#endif
    :: claimed == k -> until = until | BIT(me)
    :: else ->
         moves = (claimed != 0);
#ifdef NO_CLAIM
         if :: claimed < k -> claimed = k :: else -> skip fi;
#else
         claimed = k;
#endif
         others = others | until; until = BIT(me)
    fi;
#ifdef FORGETS_OTHERS
    /* The mistake of a claim {sequence, digest, until} alone: a second run of the same job knows of nobody before it. */
    if :: moves -> skip :: else -> others = 0 fi;
#endif
    late = !superseded && !ALL_EXPIRED(others); quiet = others
  };
  mayCrash(0);
  if :: died -> goto again :: superseded -> goto mend :: else -> skip fi;
#ifndef NO_VERIFY
  /* Armed before the tag is set; its id follows from the job's, so twice is once. */
  if
  :: late && !armedMine -> atomic { armedMine = 1; armed++; run Verify(PER_JOB * k - 1, quiet) }
  :: else -> skip
  fi;
  mayCrash(0);
  if :: died -> goto again :: else -> skip fi;
#endif
  if
  :: tag == k -> skip
  :: else ->
       mayCrash(k);
       if :: died -> goto again :: else -> skip fi;
       atomic { set(k) }
  fi;
#ifndef NO_RECHECK
  /* In this order: what a newer job has set by now, it has claimed before. */
  stored = tag;
  newest = claimed;
  if
  :: newest != k -> goto mend
  :: newest == k && stored == k -> goto finished
  :: else ->
       /* Only what one of us did can have changed it: a job never blames somebody outside for that. */
       assert(moves || late);
       goto mend
  fi;
mend:
  settle();
  if :: died -> goto again :: else -> skip fi;
#else
mend:
  skip;
#endif
  goto finished;
again:
  atomic { died = 0; me = me + 1; assert(me < PER_JOB * k - 1) };
  goto begin;
finished:
  atomic {
    over = over | BIT(me); ended++;
    /* Where nobody was killed nobody has to wait for a follow-up. */
    assert(ended < JOBS || crashes < CRASHES || tag == JOBS);
    stored = 0; newest = 0; settled = 0; written = 0; late = 0; moves = 0; superseded = 0; quiet = 0
  }
}

/* The network and the clock: requests of the dead land late, or never; then their lease is past. */
active proctype Time() {
  byte run_;
end:
  do
  :: atomic {
       (over & ~expired) != 0 ->
       run_ = 0;
       do
       :: run_ < RUNS && ((over & ~expired) & BIT(run_)) != 0 ->
            if
            :: inFlight[run_] > 0 -> set(inFlight[run_]); inFlight[run_] = 0
            :: skip
            fi;
            inFlight[run_] = 0; expired = expired | BIT(run_); break
       :: run_ < RUNS -> run_++
       :: run_ >= RUNS -> break
       od;
       run_ = 0
     }
  od
}

/* I8, when everything that can happen has happened. */
active proctype Judge() {
end:
  atomic { ended == JOBS && verified == armed && over == expired -> assert(tag == JOBS) }
}

init {
  byte k = 1;
  atomic { do :: k <= JOBS -> run Job(k); k++ :: else -> break od }
}
