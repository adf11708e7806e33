"""Pay for months of a person's history: judged once, paid from sales and budgets."""
