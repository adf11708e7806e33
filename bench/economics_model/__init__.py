"""Supply and incomes of the network's token over epochs, by the house's own rates and splits."""
