# Two tables from lines of `perf report`: whose code each thread runs, and the hottest functions.
# The first two files name the functions of SQLite and of the allocator.

BEGIN { FS = ";" }
FILENAME == ARGV[1] { sqlite[$1]; next }
FILENAME == ARGV[2] { allocator[$1]; next }
NF >= 3 {
  share = $1 + 0
  thread = $2; gsub(/^ +| +$/, "", thread)
  # A name may hold what separates the fields.
  name = $0; sub(/^[^;]*;[^;]*;/, "", name); gsub(/^ +| +$/, "", name)
  kernel = name ~ /^\[k\]/
  sub(/^\[.\] /, "", name)
  bare = name; sub(/\.(isra|constprop|part|cold).*/, "", bare)
  kind = kernel ? "kernel" : bare in sqlite ? "SQLite" : bare in allocator ? "allocator" : "ours and libraries"
  if (!(thread in threads)) threads[thread] = 0
  threads[thread] += share
  of[thread, kind] += share
  all[kind] += share
  key = name " (" thread ", " kind ")"
  hot[key] += share
}
END {
  split("SQLite;kernel;allocator;ours and libraries", kinds, ";")
  print "| thread | all | SQLite | kernel | allocator | ours and libraries |"
  print "|---|---|---|---|---|---|"
  while (1) {
    best = ""
    for (t in threads) if (best == "" || threads[t] > threads[best]) best = t
    if (best == "" || threads[best] < 0.5) break
    row(best, threads[best])
    delete threads[best]
  }
  total = 0
  for (i = 1; i <= 4; i++) { of["all", kinds[i]] = all[kinds[i]]; total += all[kinds[i]] }
  row("all", total)
  print "\n| share | function |\n|---|---|"
  for (n = 0; n < 15; n++) {
    best = ""
    for (k in hot) if (best == "" || hot[k] > hot[best]) best = k
    if (best == "") break
    printf "| %.1f %% | `%s` |\n", hot[best], best
    delete hot[best]
  }
}
function row(thread, share,    i) {
  printf "| %s | %.0f %% |", thread, share
  for (i = 1; i <= 4; i++) printf " %.0f %% |", of[thread, kinds[i]]
  printf "\n"
}
