/*
 * The life of one job, as lib/job/transitions.ts has it: two workers, a sweeper, a dead-letter consumer, somebody who
 * stops, a policy that cancels, an execution that stops its children, a queue that delivers at least once, and a clock
 * that may let a lease end early. Everything between two steps may be the last thing its process does.
 *
 * MOVE is the only way to change the status; test/models/agree.test.ts reads these lines and compares them with the
 * table. A look and the conditional write after it are two steps, as they are in the code.
 *
 * Each switch removes one mechanism; test/models/models.ts says what must happen then.
 */
#ifndef MAXATTEMPTS
#define MAXATTEMPTS 2
#endif
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef DUPLICATES
#define DUPLICATES 1
#endif
#ifndef EARLY
#define EARLY 1
#endif
#ifndef HOPS
#define HOPS 1
#endif
#define QUEUE_MAX 2
#define RECEIVES_MAX 2
#define DEAD_LETTERS_MAX 2

#define NONE 0
#define SCHEDULED 1
#define PENDING 2
#define RUNNING 3
#define RETRYING 4
#define SUCCESS 5
#define ERROR 6
#define STOPPED 7
#define CANCELED 8
#define TERMINAL(s) ((s) >= SUCCESS)
#define WAITING(s) ((s) == SCHEDULED || (s) == PENDING || (s) == RETRYING)

/* the record */
byte st = NONE, fence, failures, attempting, hops, deadLetters;
bool stopFlag, leaseLive, due;
/* the queue, its dead letters, and how often a message came in vain */
byte q, dlq, receives;
/* the flags of the execution */
bool parentStop, parentCancel;
/* what may still go wrong */
byte crashes = CRASHES, duplicates = DUPLICATES, early = EARLY;
/* ghosts: what the invariants speak of, and what no process may look at */
bool accepted, stopAcknowledged, holderAlive;
byte commits;

/* I3: a terminal status never changes. I5: after an acknowledged stop there is no other end. */
#define MOVE(name, from, to) \
  assert(st == from && !TERMINAL(st)); \
  assert(!(TERMINAL(to) && to != STOPPED && stopAcknowledged)); \
  assert(failures + attempting <= MAXATTEMPTS); \
  st = to

inline ended() { leaseLive = 0; stopFlag = 0; due = 1 }
inline send() { if :: q < QUEUE_MAX -> q++ :: else -> skip fi }
/* A message that was received in vain comes again, or is a dead letter. */
inline comesAgain() {
#ifdef WITH_DEAD_LETTERS
  receives++;
  if
  :: receives >= RECEIVES_MAX -> receives = 0; if :: dlq < 1 -> dlq++ :: else -> skip fi
  :: else -> send()
  fi
#else
  send()
#endif
}
#ifdef UNLIMITED
#define MAYCRASH true
#define CRASHED skip
#else
#define MAYCRASH crashes > 0
#define CRASHED crashes--
#endif

/* The same request twice, with one idempotency key: the first put makes the job, the second finds it (I1). */
proctype Submit() {
  bool mine;
  atomic {
    if
#ifdef NO_IF_ABSENT
    :: true -> st = PENDING; accepted = 1; due = 1; mine = 1; failures = 0; attempting = 0
#else
    :: st == NONE -> st = PENDING; accepted = 1; due = 1; mine = 1
    :: st == NONE -> st = SCHEDULED; accepted = 1; due = 0; mine = 1
    :: else -> skip
#endif
    fi
  };
  if
  :: mine -> if :: atomic { MAYCRASH -> CRASHED; mine = 0 } :: atomic { send(); mine = 0 } fi
  :: else -> skip
  fi
}

inline claimed() {
  fence++; my = fence; attempting = 1; leaseLive = 1; due = 1; holderAlive = 1; deadLetters = 0
}
inline crash() {
  if
  :: atomic {
       MAYCRASH -> CRASHED;
       if :: my == fence -> holderAlive = 0 :: else -> skip fi;
       if :: held -> comesAgain(); held = 0 :: else -> skip fi;
       goto next
     }
  :: skip
  fi
}
inline stopWaiting() {
  if
  :: st == SCHEDULED -> MOVE(stop, SCHEDULED, STOPPED); ended()
  :: st == PENDING -> MOVE(stop, PENDING, STOPPED); ended()
  :: st == RETRYING -> MOVE(stop, RETRYING, STOPPED); ended()
  :: else -> skip
  fi
}

#ifdef NO_STATUS_CHECK
#define MINE true
#else
#ifdef NO_FENCE
#define MINE (st == RUNNING && !stopFlag)
#else
#ifdef NO_STOP_CHECK
#define MINE (st == RUNNING && fence == my)
#else
#define MINE (st == RUNNING && fence == my && !stopFlag)
#endif
#endif
#endif
/* I4: at most one run commits, and it is the one with the current fence. */
#define COMMIT assert(my == fence); commits++; assert(commits == 1); ended()

proctype Worker() {
  byte my, seenFence;
  bool held, sawStop, sawParentStop, sawParentCancel, waits;
end:
  do
  :: atomic {
       q > 0 -> q--; held = 1; my = 0; sawStop = 0; waits = 0; seenFence = 0;
       if :: duplicates > 0 -> duplicates--; send() :: skip fi
     };
#ifdef ACK_FIRST
     held = 0;
#endif
     crash();
#ifdef WITH_PARENT
     /* The execution's flags, looked at before the claim. */
     atomic { sawParentStop = parentStop; sawParentCancel = parentCancel };
     if
     :: sawParentStop -> atomic {
          if
          :: st == RUNNING && !leaseLive -> MOVE(recover, RUNNING, STOPPED); ended()
          :: else -> stopWaiting()
          fi;
          goto acknowledge
        }
     :: !sawParentStop && sawParentCancel -> atomic {
          if
          :: st == SCHEDULED -> MOVE(cancel, SCHEDULED, CANCELED); ended()
          :: st == PENDING -> MOVE(cancel, PENDING, CANCELED); ended()
          :: st == RETRYING -> MOVE(cancel, RETRYING, CANCELED); ended()
          :: else -> skip
          fi;
          goto acknowledge
        }
     :: else -> skip
     fi;
#endif
     atomic {
       if
       :: st == SCHEDULED && due -> MOVE(claim, SCHEDULED, RUNNING); claimed()
       :: st == PENDING -> MOVE(claim, PENDING, RUNNING); claimed()
       :: st == RETRYING && due -> MOVE(claim, RETRYING, RUNNING); claimed()
       :: else -> skip
       fi
     };
     if
     :: my > 0 -> goto working
     :: else -> skip
     fi;
     /* The claim did not fit: a consistent read says why. */
     atomic {
       if
#ifdef TAKEOVER_IGNORES_STOP
       :: st == RUNNING && !leaseLive && failures + attempting < MAXATTEMPTS -> seenFence = fence
#else
       :: st == RUNNING && !leaseLive -> seenFence = fence; sawStop = stopFlag
#endif
       :: WAITING(st) && !due -> waits = 1
       :: else -> skip
       fi
     };
     if
     :: waits -> crash(); atomic { send(); goto acknowledge }
     :: !waits && seenFence == 0 -> goto acknowledge
     :: else -> skip
     fi;
     atomic {
       if
#ifdef TAKEOVER_IGNORES_STOP
       :: st == RUNNING && fence == seenFence ->
#else
       :: st == RUNNING && fence == seenFence && stopFlag == sawStop && (sawStop || failures + attempting >= MAXATTEMPTS) ->
            /* Nothing follows but the end: whoever meets it writes it. */
            assert(!leaseLive);
            if
            :: sawStop -> MOVE(recover, RUNNING, STOPPED)
            :: else -> MOVE(recover, RUNNING, ERROR)
            fi;
            ended(); seenFence = 0; sawStop = 0; goto acknowledge
       :: st == RUNNING && fence == seenFence && !stopFlag && !sawStop && failures + attempting < MAXATTEMPTS ->
#endif
            MOVE(takeOver, RUNNING, RUNNING); failures = failures + attempting; attempting = 0; stopFlag = 0; claimed()
       :: else -> seenFence = 0; sawStop = 0; goto acknowledge
       fi;
       seenFence = 0
     };
working:
     crash();
     /* The watcher: what it tells and what it sees. */
     if
     :: atomic { st == RUNNING && fence == my -> MOVE(report, RUNNING, RUNNING); sawStop = stopFlag || parentStop }
     :: atomic { st != RUNNING || fence != my -> goto acknowledge }
     :: skip
     fi;
     crash();
     /* The last word of the run: one conditional write. */
     atomic {
       if
       :: sawStop ->
            if
            :: st == RUNNING && fence == my -> MOVE(settleStop, RUNNING, STOPPED); ended(); goto acknowledge
            :: else -> goto acknowledge
            fi
       :: !sawStop && MINE ->
            if
            :: MOVE(finish, RUNNING, SUCCESS); COMMIT; goto acknowledge
            :: MOVE(finish, RUNNING, ERROR); COMMIT; goto acknowledge
            :: MOVE(finish, RUNNING, CANCELED); COMMIT; goto acknowledge
            :: failures + attempting < MAXATTEMPTS ->
                 MOVE(fail, RUNNING, RETRYING); failures++; attempting = 0; leaseLive = 0; due = 0; waits = 1
            :: hops < HOPS -> MOVE(handOver, RUNNING, RETRYING); hops++; leaseLive = 0; waits = 1
            fi
       :: else -> skip
       fi;
       if :: my == fence -> holderAlive = 0 :: else -> skip fi
     };
     crash();
     if
     :: waits -> atomic { send(); goto acknowledge }
     :: else -> skip
     fi;
     /* It did not fit: a stop that came meanwhile is obeyed. */
     atomic { sawStop = (st == RUNNING && fence == my && stopFlag) };
     if
     :: sawStop -> crash();
          atomic { if :: st == RUNNING && fence == my -> MOVE(settleStop, RUNNING, STOPPED); ended() :: else -> skip fi }
     :: else -> skip
     fi;
acknowledge:
     if
     :: atomic { MAYCRASH && held -> CRASHED; comesAgain() }
     :: skip
     fi;
     atomic { if :: my > 0 && my == fence -> holderAlive = 0 :: else -> skip fi; held = 0 };
next:
     atomic { my = 0; held = 0; sawStop = 0; sawParentStop = 0; sawParentCancel = 0; waits = 0; seenFence = 0 }
  od
}

#ifndef NO_SWEEP
/* Looks, then writes under the condition of what it saw. */
active proctype Sweeper() {
  byte seenFence;
  bool seenStop, seenParentStop, last;
end:
  do
#ifndef NO_RECOVER
  :: atomic {
#ifdef BLIND_SWEEP
       st == RUNNING ->
#else
       st == RUNNING && !leaseLive ->
#endif
         seenFence = fence; seenStop = stopFlag; last = (failures + attempting >= MAXATTEMPTS)
     };
#ifdef WITH_PARENT
     atomic { seenParentStop = parentStop };
#endif
     atomic {
       if
#ifdef RECOVER_UNFENCED
       :: st == RUNNING && seenStop == stopFlag ->
#else
#ifdef RECOVER_IGNORES_STOP
       :: st == RUNNING && fence == seenFence ->
#else
       :: st == RUNNING && fence == seenFence && seenStop == stopFlag ->
#endif
#endif
            /* A run whose lease lives is left alone, and no attempt is taken from it. */
            assert(!leaseLive);
            if
#ifndef RECOVER_IGNORES_STOP
            :: seenStop || seenParentStop -> MOVE(recover, RUNNING, STOPPED); ended()
            :: !seenStop && !seenParentStop && last -> MOVE(recover, RUNNING, ERROR); ended()
            :: !seenStop && !seenParentStop && !last ->
#else
            :: last -> MOVE(recover, RUNNING, ERROR); ended()
            :: !last ->
#endif
                 MOVE(recover, RUNNING, RETRYING);
#ifndef RECOVER_COUNTS_NOT
                 failures = failures + attempting;
#endif
                 attempting = 0; stopFlag = 0; due = 0
            fi
       :: else -> skip
       fi;
       seenFence = 0; seenStop = 0; seenParentStop = 0; last = 0
     }
#endif
  :: atomic {
       WAITING(st) && q < QUEUE_MAX ->
       if
       :: st == SCHEDULED -> MOVE(resend, SCHEDULED, SCHEDULED)
       :: st == PENDING -> MOVE(resend, PENDING, PENDING)
       :: st == RETRYING -> MOVE(resend, RETRYING, RETRYING)
       fi
     };
     /* Only so many sweeps may die before the send, even when workers die without end. */
     if :: atomic { crashes > 0 -> crashes-- } :: atomic { send() } fi
  od
}
#endif

#ifdef WITH_DEAD_LETTERS
active proctype DeadLetters() {
  byte seenFence, seen;
  bool counted;
end:
  do
  :: atomic { dlq > 0 -> dlq--; seen = st; seenFence = fence; counted = 0 };
#ifdef BLIND_DEAD_LETTER
     atomic { MOVE(poison, st, ERROR) }
#else
#ifndef NO_POISON
     if
     :: WAITING(seen) && deadLetters + 1 >= DEAD_LETTERS_MAX -> atomic {
          if
          :: st == SCHEDULED && fence == seenFence -> MOVE(poison, SCHEDULED, ERROR); ended()
          :: st == PENDING && fence == seenFence -> MOVE(poison, PENDING, ERROR); ended()
          :: st == RETRYING && fence == seenFence -> MOVE(poison, RETRYING, ERROR); ended()
          :: else -> skip
          fi
        }
     :: WAITING(seen) && deadLetters + 1 < DEAD_LETTERS_MAX -> atomic {
#else
     if
     :: WAITING(seen) -> atomic {
#endif
          if
          :: st == seen && fence == seenFence && st == SCHEDULED -> MOVE(resend, SCHEDULED, SCHEDULED); counted = 1
          :: st == seen && fence == seenFence && st == PENDING -> MOVE(resend, PENDING, PENDING); counted = 1
          :: st == seen && fence == seenFence && st == RETRYING -> MOVE(resend, RETRYING, RETRYING); counted = 1
          :: else -> skip
          fi;
          if :: counted && deadLetters + 1 < DEAD_LETTERS_MAX -> deadLetters++ :: else -> skip fi
        }
     :: else -> skip
     fi;
     atomic { if :: counted -> send() :: else -> skip fi; seen = 0; seenFence = 0; counted = 0 }
#endif
  od
}

#endif

/* A stop is acknowledged by a committed write and by nothing else. */
active proctype Stopper() {
  byte seen;
  if
  :: true -> skip
  :: accepted ->
again:
       seen = st;
       if
       :: WAITING(seen) -> atomic {
            if
            :: WAITING(st) -> stopWaiting(); stopAcknowledged = 1
            :: else -> goto again
            fi
          }
       :: seen == RUNNING -> atomic {
            if
            :: st == RUNNING -> MOVE(askStop, RUNNING, RUNNING); stopFlag = 1; stopAcknowledged = 1
            :: else -> goto again
            fi
          }
       :: else -> skip
       fi
  fi
}

#ifdef WITH_PARENT
/* One flag for all children of an execution; its policy may be disabled as well. */
active proctype Parent() {
  if
  :: true -> skip
  :: parentStop = 1
  :: parentCancel = 1
  fi
}

#endif

/* A lease ends when its run is dead; a clock that is wrong beyond the margin lets it end before. */
active proctype Clock() {
end:
  do
  :: atomic { leaseLive && !holderAlive -> leaseLive = 0 }
  :: atomic { leaseLive && holderAlive && early > 0 -> early--; leaseLive = 0 }
  :: atomic { accepted && !due -> due = 1 }
  od
}

#ifdef RESTART
/* Every message is gone and every lease counts as dead, though a worker may live on and write once more. */
active proctype Restart() {
  atomic { accepted -> q = 0; dlq = 0; receives = 0; leaseLive = 0 }
}
#endif

init { atomic { run Submit();
#ifdef WITH_RESUBMIT
  run Submit();
#endif
#ifndef ONE_WORKER
  run Worker();
#endif
  run Worker() } }

/* I2: an accepted job reaches a terminal status. */
ltl ends { [] (accepted -> <> TERMINAL(st)) }
