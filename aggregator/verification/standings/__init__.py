"""What audits so far mean for a node or a host: folds, and the rate and the stake that follow from them."""
