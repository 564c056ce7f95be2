# A new solver beside the released baselines, as a table for a paper: from the root of a copy of the repository,
# sh examples/invbench-daps/table.sh. Minutes on two cores; N=4 restores four images only, to try it.
set -eu
pip install ./examples/invbench-daps
invbench check decoupled
invbench run solver=decoupled task=sr4 n="${N:-0}" references=false
invbench release beside benchmark=photos task=sr4 'noise=gaussian 0.05 [-1,1]' --out reference
invbench release beside solver=decoupled
invbench versus decoupled ddnm_plus task=sr4 --out beside
invbench table solver=pinv,ddrm,ddnm_plus,diffpir,pigdm,decoupled --metrics psnr,ssim,lpips_alex,nfe_forward --format latex --out beside > table.tex
