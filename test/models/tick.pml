/*
 * The instants of one schedule, as lib/schedule/due.ts fires them: two ticks at once, either of which may die between any
 * two steps. The tick is the execution: put if absent under the hash of policy and instant, and only then nextRunAt moves.
 * Instants that pass while nobody ticks are caught up by the one run that follows.
 */
#ifndef INSTANTS
#define INSTANTS 3
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#define NONE 0
#define EXECUTION 1
#define SKIPPED 2

byte now = 1, nextRunAt = 1, lastExecution;
byte record[INSTANTS + 2];  /* per instant: what was put */
byte puts[INSTANTS + 2];
bool running[INSTANTS + 2]; /* executions that have not ended */
byte open;                  /* how many of them */
byte crashes = CRASHES;
bool retried[INSTANTS + 2];
#ifdef RETRIES
byte retries = 1;
#endif

active [2] proctype Tick() {
  byte instant, last;
  bool skip_, previousRuns, existed;
end:
  do
  :: atomic { nextRunAt <= now && nextRunAt <= INSTANTS -> instant = nextRunAt; last = lastExecution };
     atomic {
       previousRuns = (last != 0 && last != instant && running[last]);
       skip_ = previousRuns
     };
     atomic {
#ifdef NO_IF_ABSENT
       if
       :: true ->
#else
       if
       :: record[instant] == NONE ->
#endif
            existed = 0; puts[instant]++;
            assert(puts[instant] == 1);
            if
            :: skip_ -> record[instant] = SKIPPED
            :: else ->
                 /* The one before has ended; but a person may have set it going again since this tick looked. */
                 assert(record[instant - 1] != EXECUTION || !running[instant - 1] || retried[instant - 1]);
                 record[instant] = EXECUTION; running[instant] = 1; open++
            fi
       :: else ->
            existed = 1;
#ifndef SKIP_BY_LOOK
            /* What was put is what counts, not what this tick would have put. */
            skip_ = (record[instant] == SKIPPED)
#endif
       fi
     };
     if
     :: atomic { crashes > 0 -> crashes--; goto next }
     :: skip
     fi;
     atomic {
       if
#ifdef NO_ADVANCE_CONDITION
       :: true ->
#else
       :: nextRunAt == instant ->
#endif
            /* Never back: the instant after now, so that missed ones are caught up by one run. */
            nextRunAt = (now > instant -> now + 1 : instant + 1);
            if :: !skip_ -> lastExecution = instant :: else -> skip fi
       :: else -> skip
       fi
     };
next:
     atomic { instant = 0; last = 0; skip_ = 0; previousRuns = 0; existed = 0 }
  od
}

/* Executions end by themselves; a person may set one that failed going again. */
active proctype Executions() {
  byte i;
end:
  do
  :: atomic {
       open > 0 ->
       i = 1;
       do
       :: i <= INSTANTS && running[i] -> running[i] = 0; open--; break
       :: i <= INSTANTS -> i++
       :: else -> break
       od;
       i = 0
     }
#ifdef RETRIES
  :: atomic {
       retries > 0 && lastExecution > 0 && record[lastExecution] == EXECUTION && !running[lastExecution] ->
       retries--; retried[lastExecution] = 1; running[lastExecution] = 1; open++
     }
#endif
  od
}

active proctype Clock() {
end:
  do
  :: atomic { now <= INSTANTS -> now++ }
  od
}

/* I9: an instant that came due and was not caught up by a later one has its record; `now` may run past several. */
ltl fires { [] ((nextRunAt <= now && nextRunAt <= INSTANTS) -> <> (nextRunAt > now || nextRunAt > INSTANTS)) }
