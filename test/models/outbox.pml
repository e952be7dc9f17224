/*
 * The outbox of terminal events, as lib/job/event-cursor.ts hands it over: a finish is stamped with its writer's clock, lands
 * some time after, and shows up in the index some time after that. The sweep takes what was stamped before now - SETTLE,
 * hands it over, and then moves the cursor. What lands behind the cursor is never seen again, so SETTLE has to outlast a
 * write and the index together: WRITE + LAG <= SETTLE.
 */
#ifndef SETTLE
#define SETTLE 2
#endif
/* The longest from taking the stamp to the write, and from the write to the index. */
#ifndef WRITE
#define WRITE 1
#endif
#ifndef LAG
#define LAG 1
#endif
#define JOBS 2
#define END 6

/* Sorted by stamp, then by id; 0 sorts before all. */
#define KEY(i) (2 * stamp[i] + i + 1)

byte now;
byte cursor;              /* the key that was handed over last */
bool seen[JOBS];          /* in the index */
byte stamp[JOBS];
byte handed[JOBS];        /* how often */
bool finished[JOBS];
byte crashes = 1;
byte slow[JOBS];          /* until when the next step of the job must have happened */

active [JOBS] proctype Finish() {
  byte me;
  me = _pid;
  atomic { now < 3 -> stamp[me] = now; slow[me] = now + WRITE };
  atomic { now <= slow[me] -> finished[me] = 1; slow[me] = now + LAG };
  atomic { now <= slow[me] -> seen[me] = 1; slow[me] = END + 9 }
}

active proctype Clock() {
end:
  do
  :: atomic {
       now < END &&
       (slow[0] == 0 || now < slow[0]) && (slow[1] == 0 || now < slow[1]) -> now++
     }
  od
}

active proctype Sweep() {
  byte to, i, put, last;
end:
  do
  :: atomic {
       now >= SETTLE ->
       to = 2 * (now - SETTLE) + 1; put = 0; last = cursor; i = 0;
       do
       :: i < JOBS ->
            if
            :: seen[i] && KEY(i) > cursor && KEY(i) < to ->
                 put = put | (1 << i);
                 if :: KEY(i) > last -> last = KEY(i) :: else -> skip fi
            :: else -> skip
            fi;
            i++
       :: else -> break
       od;
       i = 0
     };
     if :: put == 0 -> goto next :: else -> skip fi;
#ifdef CURSOR_FIRST
     cursor = last;
     if :: atomic { crashes > 0 -> crashes--; goto next } :: skip fi;
#endif
     atomic {
       do
       :: i < JOBS -> if :: (put & (1 << i)) != 0 && handed[i] < 2 -> handed[i]++ :: else -> skip fi; i++
       :: else -> break
       od;
       i = 0
     };
#ifndef CURSOR_FIRST
     if :: atomic { crashes > 0 -> crashes--; goto next } :: skip fi;
     cursor = last;
#endif
next:
     atomic { to = 0; put = 0; last = 0; i = 0 }
  od
}

/* I12: a job that has finished is told at least once. */
ltl told { [] ((finished[0] -> <> (handed[0] > 0)) && (finished[1] -> <> (handed[1] > 0))) }
