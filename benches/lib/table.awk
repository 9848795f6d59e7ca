# One row's table from its rounds: for each contestant medians with the lowest and highest, and
# ours over theirs, round by round.

function sorted(list, count,    i, j, x) {
  for (i = 2; i <= count; i++)
    for (j = i; j > 1 && list[j - 1] > list[j]; j--) { x = list[j]; list[j] = list[j - 1]; list[j - 1] = x }
}
function median(list, count) {
  sorted(list, count)
  return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}
function figures(side, column,    i) { for (i = 1; i <= rounds; i++) list[i] = value[side, i, column] }
function thousands(number,    text, out) {
  text = sprintf("%.0f", number)
  while (length(text) > 3) { out = "," substr(text, length(text) - 2) out; text = substr(text, 1, length(text) - 3) }
  return text out
}
function spread(side,    middle) {
  figures(side, 4); middle = median(list, rounds)
  return sprintf("%s (%s to %s)", thousands(middle), thousands(list[1]), thousands(list[rounds]))
}
function plain(side, column, shape,    middle) {
  figures(side, column); middle = median(list, rounds)
  return middle > 0 ? sprintf(shape, middle) : "-"
}
function at_rest(side) { figures(side, 11); return sprintf("%.1f", median(list, rounds)) }
function verdict(found, least) {
  return sprintf("%s: %s", least < 100 ? sprintf("%.2f", least) : thousands(least), found >= least ? "met" : "**missed**")
}
# Whether the generator had hardly any time left: then the contestant may be faster.
function is_limited(side) { figures(side, 9); return median(list, rounds) > 0.9 }
BEGIN { FS = "\t"; split(targets, parts, " "); for (p in parts) { split(parts[p], t, "="); wanted[t[1]] = t[2] } }
$1 == row {
  if (!($2 in seen)) { seen[$2]; sides[++count] = $2 }
  if ($3 > rounds) rounds = $3
  for (c = 4; c <= NF; c++) value[$2, $3, c] = $c
}
END {
  print "| | answers a second | p50 ms | p99 ms | server us an answer | generator busy | at rest after s | others busy | ours / theirs | theirs / ours in processor time | wanted |"
  print "|---|---|---|---|---|---|---|---|---|---|---|"
  for (s = 1; s <= count; s++) {
    side = sides[s]; ratio = ""; spent = ""; want = ""
    if (side != ours) {
      for (i = 1; i <= rounds; i++) list[i] = value[ours, i, 4] / value[side, i, 4]
      middle = median(list, rounds)
      ratio = sprintf("%.2f (%.2f to %.2f)", middle, list[1], list[rounds])
      for (i = 1; i <= rounds; i++) list[i] = value[ours, i, 8] > 0 ? value[side, i, 8] / value[ours, i, 8] : 0
      middle_spent = median(list, rounds)
      if (middle_spent > 0) spent = sprintf("%.2f", middle_spent)
      if (side in wanted) {
        want = verdict(middle, wanted[side])
        if (is_limited(side) || is_limited(ours)) want = want ", limited by the generator"
      }
    } else if ("least" in wanted) {
      figures(side, 4)
      want = verdict(median(list, rounds), wanted["least"])
    }
    printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", side, spread(side), plain(side, 5, "%.2f"),
      plain(side, 6, "%.2f"), plain(side, 8, "%.1f"), plain(side, 9, "%.2f"), at_rest(side), plain(side, 10, "%.2f"), ratio, spent, want
  }
}
