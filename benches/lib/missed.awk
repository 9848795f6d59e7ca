# Prints each target of a row that its rounds miss: first the targets, `side=ratio` or
# `least=rate`, then the rounds.

function median(list, count,    i, j, x) {
  for (i = 2; i <= count; i++)
    for (j = i; j > 1 && list[j - 1] > list[j]; j--) { x = list[j]; list[j] = list[j - 1]; list[j - 1] = x }
  return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
}

NR == FNR { if (split($0, part, "=") == 2) wanted[part[1]] = part[2]; next }
$1 == row { rate[$2, $3] = $4; if ($3 > rounds) rounds = $3 }
END {
  for (side in wanted) {
    for (i = 1; i <= rounds; i++)
      list[i] = side == "least" ? rate[ours, i] : rate[ours, i] / rate[side, i]
    if (median(list, rounds) < wanted[side]) print side
  }
}
