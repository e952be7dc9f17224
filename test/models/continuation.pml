/*
 * A blob of CHUNKS chunks that takes several invocations, as lib/replicate does it: upload a chunk, remember where we are,
 * hand over when the time is used up, go on in the next run from the checkpoint. A run that lost its lease may still have
 * one chunk on its way, and a registry may take a chunk at the wrong place (docker-registry 2.8.2 does): what it then holds
 * is told by the digest when the upload is closed, and by nothing else.
 */
#ifndef CHUNKS
#define CHUNKS 3
#endif
#ifndef HOPS
#define HOPS 6
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#define STUCK_MAX 2
#define RESTARTS_MAX 1

byte offset;              /* bytes the session holds */
bool spoilt;              /* they are not the beginning of the blob */
bool committed, failed;   /* the blob is at the target; the job has ended with an error */
byte fence, saved, hops, stuck, restarts;
bool leaseLive, holderAlive;
byte crashes = CRASHES;
byte lastSaved;           /* ghost: the checkpoint of the hand-over before */

#define OVER (committed || failed)

/* The time is used up. I6: what is handed over has grown, or the job ends after STUCK_MAX times. */
inline handOver() {
  leaseLive = 0; holderAlive = 0;
  if :: hops < HOPS -> hops++ :: else -> skip fi;
  if
  :: saved > lastSaved -> stuck = 0
  :: else -> if :: stuck < STUCK_MAX -> stuck++ :: else -> skip fi
  fi;
  lastSaved = saved;
#ifndef NO_STUCK_LIMIT
  if :: stuck >= STUCK_MAX -> failed = 1 :: else -> skip fi;
#endif
#ifndef NO_HOP_LIMIT
  if :: hops >= HOPS -> failed = 1 :: else -> skip fi;
#endif
  assert(saved > 0 || stuck > 0)
}

proctype Run() {
  byte my, at, done;
end:
  do
  :: atomic { !OVER && !leaseLive -> fence++; my = fence; leaseLive = 1; holderAlive = 1; at = saved; done = 0 };
     /* One status request: a session that is not where the checkpoint says is begun anew. */
     if
     :: offset != at ->
          if
          :: restarts >= RESTARTS_MAX -> atomic { if :: fence == my -> failed = 1 :: else -> skip fi; goto next }
          :: else -> atomic { if :: fence == my -> restarts++; offset = 0; spoilt = 0; at = 0; saved = 0; lastSaved = 0 :: else -> goto next fi }
          fi
     :: else -> skip
     fi;
     do
     :: at < CHUNKS ->
          if
          :: atomic { crashes > 0 -> crashes--; if :: fence == my -> holderAlive = 0 :: else -> skip fi; goto next }
          /* The time of this invocation is used up before a single chunk got through. */
          :: atomic { fence == my && done == 0 -> handOver(); goto next }
          :: skip
          fi;
          /* The chunk lands wherever the session is; out of turn it spoils the content. */
          atomic {
            if :: offset != at -> spoilt = 1 :: else -> skip fi;
            if :: offset < CHUNKS -> offset++ :: else -> skip fi;
            at++; done++
          };
          /* The write of the checkpoint is fenced. */
          atomic { if :: fence == my -> saved = at :: else -> goto next fi };
          if
          :: atomic { fence == my -> handOver(); goto next }
          :: skip
          fi
     :: at >= CHUNKS -> break
     od;
     /* The closing request names the digest of the whole blob. */
     atomic {
       if
#ifndef NO_DIGEST
       :: spoilt || offset != CHUNKS ->
            if
            :: fence == my ->
                 if
                 :: restarts >= RESTARTS_MAX -> failed = 1
                 :: else -> restarts++; offset = 0; spoilt = 0; saved = 0; lastSaved = 0; leaseLive = 0; holderAlive = 0
                 fi
            :: else -> skip
            fi
#endif
       :: else -> assert(!spoilt && offset == CHUNKS); committed = 1
       fi
     };
next:
     atomic { if :: my == fence -> holderAlive = 0 :: else -> skip fi; my = 0; at = 0; done = 0 }
  od
}

active proctype Clock() {
  byte early = 1;
end:
  do
  :: atomic { leaseLive && !holderAlive -> leaseLive = 0 }
  :: atomic { leaseLive && holderAlive && early > 0 -> early--; leaseLive = 0 }
  od
}

init { atomic { run Run(); run Run() } }

ltl ends { <> OVER }
